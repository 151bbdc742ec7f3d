"""The demo organization: Acme, its people with their habits, and the incidents hidden among them.

Promises: the same seed gives the same events, at every start and for any number of them; each
event has an external id, so that a start adds only what is new; the story of Sarah Lin's failed
deployment stands as the documentation tells it, on 2024-01-15 and again an hour before each start.
Events go through the recorder like everyone's; nothing is written around it.
"""
