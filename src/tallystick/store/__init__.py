"""The event store: the searchable events in ClickHouse, in the process (chDB) or as a server.

Promises: `insert` returns when the rows are on disk; a repeated insert of the same rows under
the same token changes nothing; every statement that reads begins with the organization and the
scope's mandatory filter; nothing a user typed is ever formatted into SQL.
"""
