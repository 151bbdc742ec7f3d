"""The outbox: Tallystick's own audit events, on their way into the trail.

Promise: an event written here enters the trail if, and only if, the transaction of the change commits; they are taken
in the order of writing, under the lock of the organization's log. Table: outbox.
"""
