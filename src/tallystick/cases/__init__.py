"""Investigation: the timeline around an event, and cases, which collect events and become incident reports.

Promises: a timeline names the threads that it follows (actor, resource, session, address, request) and what it
cannot show. "First seen" is said only after a search of all events that are kept. A case is visible in its
organization only, and to a member only if that member created it; an auditor can read but not change it. Every
change is an event in the audit log. Two people who edit at once do not silently overwrite each other. A case refers
to events and holds no copy of them.

Tables: cases, case_events. No background work.
"""
