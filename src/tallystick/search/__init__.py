"""Searching: from what people type to the events that match.

Promises: one grammar (`grammar`) and one set of filters (`filters`) for API, pages, command line,
rules and live views; a mistake is an answer with its column and a query that can be read; what is
returned truly matches, and `match` in Python agrees with the event store on every event; nothing
is cut silently: counts, partial answers and limits say what they are. No tables of its own.
"""
