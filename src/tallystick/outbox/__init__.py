"""What Tallystick did itself, on its way into the trail.

Promise: an action written here becomes an event if, and only if, the transaction of the change
commits; it is taken in the order of writing, under the lock of the organization's log.
Table: outbox.
"""
