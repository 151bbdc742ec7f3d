"""The log of each organization: an RFC 6962 tree over the entries of its events, in C2SP tiles.

Promises: entries get consecutive indexes under the lock of the log's row, in the caller's transaction; the
content of a tile never changes; a log that contradicts itself is frozen and takes no entry until an operator
decides; only committed entries are signed. `log` appends, `nodes` reads hashes, `check` compares the tables with
each other, `signer` signs checkpoints, `prover` serves checkpoints, tiles and proofs, `bundle` writes evidence bundles.

Tables: logs, tiles, checkpoints, signing_keys. File: ledger.marks. Work: signer. There is no cache: the locked
row holds everything that appending needs. Lost or altered tables are noticed, because checkpoints that
people saved elsewhere no longer match.
"""
