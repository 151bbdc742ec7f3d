"""Logs of other systems as events: one module a format.

Promises: `read(stream)` yields what one would send to `POST /v1/audit-logs`, in the order of the
file, each with an `external_id` where the original has an identifier, so that an import can be
run again. Raises ValueError, with what is wrong, where the file is not of the format.
"""
