"""Actions: an organization's own descriptions of the actions that it records.

Promises: a described action has a category, a default status and severity, a sentence and perhaps a schema, as built-in
actions have. Defaults are applied when an event is recorded, and never change what is recorded; sentences are made when
an event is read. A change is seen by every process within a second, and is an event in the audit log, recorded in the
same transaction. Names that Tallystick itself describes cannot be described again.

Tables: action_descriptions, action_revisions. No background work.
"""
