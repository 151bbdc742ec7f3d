"""Background work: worker threads, leases, pauses, calendars.

Promise: of several processes one holds a lease at a time, and a holder that dies loses it when it expires. A failed
step is logged and repeated; it ends no thread. Table: leases.
"""
