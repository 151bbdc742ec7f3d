"""Recording: from a request's body to an event that is committed, and on to the event store.

Promises: an answer is given after the commit and not before; the new events of one request get
consecutive indexes; an index is never given twice and never left out; what is committed reaches
the store exactly once, however often the store, this process or the machine stops on the way.
The way: recorder → pool → sequencer (commit) → journal → shipper → store.
Tables: external_ids, idempotency_keys, shipments, shipment_ranges.
"""
