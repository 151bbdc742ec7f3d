"""The journal: committed events that are not in the event store yet.

Promises: a batch is written in the transaction that gives its indexes and extends the tree; when all its indexes are
stored it moves to the journal's tail, from which events that the store loses come back for some hours; an event that
the store never accepts is set aside here, where it stays readable and provable. Readers read the journal first, then
the store. What the store has lost is named here, too.
Tables: journal, journal_tail, set_aside, missing_ranges, lost_events.
"""
