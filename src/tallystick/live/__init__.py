"""Live views: events as they are committed, for pages, API streams and the command line.

Promises: a follower sees every event of its scope and query after its position, once and in index order. It sees
events before they are in the event store. A slow follower delays nobody but itself.

No tables and no background work: each follower reads for itself when the hub wakes it.
"""
