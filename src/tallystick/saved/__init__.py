"""Saved views: a search with its filters and columns, under a name.

Promises: a view belongs to the person who saved it and is visible to nobody else until it is shared, then to everyone
in its organization and to nobody outside. It holds the search, never an event; whoever opens it sees the events that
their own scope allows. Whoever sees a part of the trail gets no shared view that names people or things. Owners and
admins share views, and delete those that anybody shared. Every change is an event in the audit log, recorded in the
same transaction.

Tables: saved_views. No background work.
"""
