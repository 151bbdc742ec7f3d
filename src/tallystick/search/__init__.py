"""Search: from what people type to the matching events.

Promises: one grammar (`grammar`) and one set of filters (`filters`) for API, pages, command line, rules and live views;
a mistake in a query is answered with its column and a corrected query; everything returned truly matches, and `match`
in Python agrees with the event store on every event; results are never cut silently: counts, partial answers and limits
are stated. No tables of its own.
"""
