"""Investigating: the timeline around an event, and the case that it becomes.

Promises: a timeline says which threads it follows (actor, resource, session, address, request) and
what it cannot show; "first seen" is said only of what was looked up in everything that is kept. A
case is visible inside its organization alone, to a member only if that member made it; an auditor
reads and never changes; every change is an event in the trail; two people who edit at once do not
overwrite each other unseen. A case refers to events and copies nothing of them.

Tables: cases, case_events. No background work.
"""
