"""Query and Scope: what is searched, and within which limits.

Promises: plain values, without parsing and without SQL; one way to fold case (`fold`) and one reading of addresses and
event ids (`values`), used by both evaluators of a query, the event store and `search.match`, so that they agree.
"""
