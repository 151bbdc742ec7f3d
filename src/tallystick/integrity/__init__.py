"""The background integrity check: is everything that is stored still what the log says?

Promises: every log is looked through once a day, and when a person asks, in slices with pauses between, by one
node; a restart goes on where it was. A difference is looked at twice before it is said: in the trail, once, in
the operator's log, by a metric and on the page. What is missing must be explained by a record in the log, and
what a finished purge took must be gone. Behind a clean round old checkpoints are thinned out, and entries of
events that went long ago.
Tables: integrity_rounds, public_logs. Work: one thread, of all processes one at a time.
"""
