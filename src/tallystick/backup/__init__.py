"""Backup and restore of both databases, and the operator's work on the rest of an installation's state.

That is: restarting a log that an older backup left frozen, the lock and the file modes of the data directory, and the
rotation of the secret key.

Promises: a backup is complete or has no manifest; it holds the control database at one moment and every event that
was in the event store then; every file is checked before anything is restored; an interrupted restore is continued,
and no server starts on one; existing data is renamed, never deleted. The secret key, `ledger.marks` and
`ledger.erasures` are in no backup: by them the server recognizes an older one.
Tables: backups. Work: the backups that `tallystick backup create` requests from a server with an embedded store.
"""
