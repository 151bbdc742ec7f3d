"""The arithmetic of the ledger: what an event commits to, and the RFC 6962 tree over the entries.

Promises: pure functions over bytes and integers, no clock, no randomness, no storage; the formats
are published and never change for an entry that exists. Indexes are zero-based everywhere.
`commitment` makes the entry, `tree` the hashes, roots and proofs, `tiles` the C2SP tlog-tiles layout.
"""
