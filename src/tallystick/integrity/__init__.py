"""The background integrity check: compares every stored event with its entry in the log.

Promises: every log is checked once a day, and whenever a person requests it, in slices with pauses, by one node;
after a restart the check continues where it was. A difference is checked twice before it is reported: once in
the trail, in the server's log, by a metric and on the page. A missing event must be explained by a record in the
log, and an event that a finished purge deleted must be gone. After a round without differences, old checkpoints
and the entries of events that were deleted long ago are removed.
Beside it, the numbers of rows are compared a few times a minute; ranges of missing events are kept by `journal`.
Missing events come back from the journal's tail by themselves, and from copies when an operator says so: each as the
log has it, and none that was deleted since. Only an operator accepts them as lost, which the trail then says for good.
Tables: integrity_rounds, public_logs, damaged_parts, store_requests. Work: two threads, each of all processes one at a
time, and one that carries out the operator's commands.
"""
