"""Monitoring: measures, on a timer, what `/metrics` says of databases, disk, queues and background work.

Promise: a scrape waits for nothing, and a part that hangs delays no measurement but its own. Every node measures; what
a part that does not answer said last stays, and its `…_up` metric is 0. Owns no table.
"""
