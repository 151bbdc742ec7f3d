"""How long events are kept, and their going when that time is over.

Promise: nothing is deleted before the log says so: `audit_log.pruned` holds the exact indexes and is
committed first; deletion goes by these indexes and is taken up again at the start. The records that
explain what is gone stay for ever. A retention made shorter takes effect a day later. What is under a
legal hold stays.
What is archived is in its place, as read back, before it is announced; what is erased goes from there too.
Tables: purges, prunings, legal_holds, exported_ranges, retention_mails, archives, archive_problems, clock_witness.
Work: one thread, of all processes one at a time.
"""
