"""Background work: a thread for each kind, and who may do it now.

Promise: of several processes one holds a lease at a time; a holder that dies loses it when it
runs out. What fails is said and tried again, and ends no thread. Table: leases.
"""
