"""Saved views: a search with its filters and columns, under a name.

Promises: a view belongs to the person who saved it and is visible to nobody else until it is shared,
then to everyone in its organization and to no one outside. It holds what was asked, never an event;
whoever opens it sees what their own scope lets through. Owners and admins share, and take back what
anyone shared; every change is an event in the trail, in the same transaction.

Tables: saved_views. No background work.
"""
