"""Access: organizations, people, roles, API keys, sessions, sign-in, rate limits.

Promises: only this package constructs a Scope (`scopes.py`); a member's scope carries a filter to that member's own
activity, so that no reader can forget it. The database holds only hashes of passwords, keys, sessions and links. A
session is read from the database on each use, a key at least every five seconds, so that revoked access ends then.
Every change writes its own audit event to the outbox in its transaction. Conflicts between processes are decided by a
conditional UPDATE or a unique key. Tables: organizations, people, memberships, api_keys, sessions, sign_in_attempts,
setup_links, password_resets.
"""
