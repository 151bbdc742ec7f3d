"""The log of each organization: an RFC 6962 tree over the entries of its events, in C2SP tiles.

Promises: entries get their indexes under the lock of the log's row, in the caller's transaction, without
gaps; what a tile holds never changes; a log that was found wrong is frozen and takes no entry until an
operator decides; nothing is signed that is not committed. `log` appends, `nodes` reads hashes back, `check`
compares what is stored with itself, `signer` signs checkpoints, `prover` answers with them, `bundle` packs both.

Tables: logs, tiles, checkpoints, signing_keys. File: ledger.marks. Work: signer. There is no cache: what
appending needs is in the locked row. Lost or altered tables do not hide: the checkpoints that people
hold stop matching.
"""
