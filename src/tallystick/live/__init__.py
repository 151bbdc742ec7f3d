"""Live: events as they are committed, for pages, streams of the API and the command line.

Promises: a follower sees every event of its scope and query after its position once, in index
order; it begins before events are in the store; a slow follower holds up nobody but itself.
"""
