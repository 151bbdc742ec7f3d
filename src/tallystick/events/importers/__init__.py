"""Importers: logs of other systems as events, one module per format.

Promises: `read(chunks)` yields what would be sent to `POST /v1/audit-logs`, in the order of the file, each with an
`external_id` where the original has an identifier, so that importing again is harmless; and, in its place, what is
wrong with each value that is no event. Memory is bounded whatever the file holds.
"""
