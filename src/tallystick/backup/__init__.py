"""Copies of everything: made beside a running server, restored, and what an older one means for a log.

Promises: a copy is whole or has no manifest; it holds the control database as it was at one moment and every event
that was in the store then; each file is checked before anything of it is restored; a restore that was interrupted is
begun again or refused by the server, never taken for a whole one; what was there before is moved aside, never deleted.
The secret key, `ledger.marks` and `ledger.erasures` are in no copy: they are what tells an old one.
Tables: backups. Work: the copies that `tallystick backup create` asks of a server whose event store is its own.
"""
