"""Arithmetic of the ledger: the commitment of an event and the RFC 6962 tree over the entries.

Promises: pure functions over bytes and integers, no clock, no randomness, no storage; the formats are
published and never change for existing entries. Indexes are zero-based everywhere. `commitment` computes an
entry, `remains` what proves an event with erased parts, `tree` hashes, roots and proofs, `tiles` the C2SP
tlog-tiles layout. No tables, no work.
"""
