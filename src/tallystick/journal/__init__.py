"""The journal: events that are committed and not yet in the event store.

Promises: a batch is written in the transaction that gives its indexes and extends the tree;
it goes when all its indexes are stored; an event that the store will never take is set aside
here, where it stays readable and provable. Reading takes the journal first, then the store.
Tables: journal, set_aside.
"""
