"""The demo organization Acme: generated events of its people and service accounts, with incidents among them.

Promises: the same seed gives the same events at every start and for any number of events; each event has an external
id, so that a start adds only new ones; the story of Sarah Lin's failed deployment is as the documentation tells it,
on 2024-01-15 and again an hour before each start. Events are recorded through the recorder like all others.
"""
