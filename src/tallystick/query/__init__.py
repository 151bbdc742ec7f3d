"""Query and Scope values: what is asked, and within which bounds.

Promises: plain values without parsing and without SQL; one way of folding case (`fold`) and
one reading of addresses and event ids, on which both judges of a query, the event store and
`search.match`, rest, so that they cannot differ there.
"""
