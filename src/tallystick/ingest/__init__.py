"""Ingest: from the body of a request to committed events, and on to the event store.

Promises: a request is answered after its commit and not before; the new events of one request get consecutive indexes;
an index is never given twice and never left out; every committed event reaches the store exactly once, however often
the store, this process or the machine stops on the way. The way: recorder → pool → sequencer (commit) → journal →
shipper → store. A store of an earlier version is rebuilt beside that. Tables: external_ids, idempotency_keys,
shipments, shipment_ranges, store_identity, store_rebuilds.
"""
