"""The event: what a client may send, what is kept of it, what comes back.

Promises: every problem of a request is named at once with index and field; what is stored
is what was parsed, encoded again; secrets are replaced before anything leaves this package;
the four parts are the exact bytes that the ledger commits to. Pure: no files, no database.
"""
