"""Invitations: how a person joins an organization by a link.

Promises: a link works once, for three days, and until it is revoked or a newer one is sent; of several uses at once
one wins, and nothing of the others is left. Inviting answers the same, after the same work, whether or not the address
has an account elsewhere. Tables: invitations.
"""
