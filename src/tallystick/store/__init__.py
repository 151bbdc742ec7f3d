"""The event store: the searchable events in ClickHouse, embedded (chDB) or as a server.

Promises: `insert` returns when the rows are on disk; inserting the same rows again under the same token changes
nothing; every statement that reads begins with the organization and the scope's mandatory filter; user input is always
a bound parameter, never part of the SQL text.
"""
