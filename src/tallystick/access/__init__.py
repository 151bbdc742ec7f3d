"""Who may touch which organization's events: people, roles, API keys, sessions, sign-in, limits.

Promises: only this package makes a Scope (`scopes.py`), and a member's scope holds the filter to
the own activity, so that no reader can forget it. Of passwords, keys, sessions and links the
database holds hashes alone. A session is read from the database on each use, a key at least every
five seconds: who loses access loses it then. Every change writes its own action to the outbox in
its transaction. What two processes do at once is decided by a conditional UPDATE or a unique key.
Tables: organizations, people, memberships, api_keys, sessions, sign_in_attempts, setup_links.
"""
