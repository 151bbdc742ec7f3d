"""Erasure of a person's data from the trail: searched, previewed, confirmed by a second person, removed.

Promises: nothing under a legal hold is erased, and nothing before the log records exactly what. The entry of an
event stays and proves its remaining parts. After a crash the same erasure continues; after a restore of an older
backup everything is erased again. The request itself keeps no personal data once it is over.
Tables: erasures, erasure_steps. Work: one thread, of all processes one at a time.
"""
