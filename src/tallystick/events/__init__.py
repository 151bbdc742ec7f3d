"""The event: what clients may send, what is stored of it, what is returned.

Promises: every problem of a request is reported at once, with index and field; what is stored is what was parsed,
encoded again; secrets are redacted before anything leaves this package; the four parts are the exact bytes that the
ledger commits to. Pure: no files, no database.
"""
