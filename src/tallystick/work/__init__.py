"""Background work: who may do it now.

Promise: of several processes one holds a lease at a time; a holder that dies loses it when it
runs out. Table: leases.
"""
