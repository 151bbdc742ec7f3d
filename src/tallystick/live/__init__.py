"""Live views: events as they are committed, for pages, API streams and the command line.

Promises: a viewer sees every event of its scope and query after its position, once and in index order. It sees events
before they are in the event store. Viewers of one query share its evaluation, and nothing of it happens where events
are recorded. Viewers that cost more time than their organization's share fall behind and delay nobody else.

No tables. `hub` counts the viewers and serves them, `matching` reads what is committed, `replay` what came before.
"""
