"""Importers: logs of other systems as events, one module per format.

Promises: `read(stream)` yields what would be sent to `POST /v1/audit-logs`, in the order of the file, each with an
`external_id` where the original has an identifier, so that importing again is harmless. Raises ValueError where the
file is not of the format.
"""
