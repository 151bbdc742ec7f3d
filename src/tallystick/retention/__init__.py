"""How long events are kept, and their going when that time is over.

Promise: nothing is deleted before the log says so: `audit_log.pruned` holds the exact indexes and is
committed first; deletion goes by these indexes and is taken up again at the start. The records that
explain what is gone stay for ever. A retention made shorter takes effect a day later. What is under a
legal hold stays.
Tables: purges, prunings, legal_holds. Work: one thread, of all processes one at a time.
"""
