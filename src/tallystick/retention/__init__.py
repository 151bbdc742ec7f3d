"""Retention: how long events are kept, the purge that deletes them afterwards, legal holds, the archive.

Promises: nothing is deleted before the log records it: `audit_log.pruned` with the exact indexes is committed
first; the deletion goes by these indexes and is resumed after a restart. The records that explain what is missing
are kept permanently. A shorter retention takes effect a day later. Events under a legal hold are kept. With an
archive, events are written there and read back before their deletion is recorded; erasures cover it too.
Tables: purges, prunings, purged_indexes, legal_holds, exported_ranges, retention_mails, archives, archive_problems,
clock_witness.
Work: one thread, of all processes one at a time.
"""
