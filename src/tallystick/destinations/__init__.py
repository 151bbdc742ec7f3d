"""Deliveries: messages to destinations, emails to people, and files to a directory or a bucket.

Promises: what is enqueued in a transaction is delivered once that is committed, attempted with back-off until it is
sent or given up, every attempt recorded; of several processes one attempts it. A repeated message has the same id. A
dead receiver delays no other. TLS certificates are verified, no header can be injected, secrets are never shown.
No connection goes to a private address that the operator did not allow. A stored file is whole, as read back.
Once sent, nothing is kept of a message or email but its times.
Tables: mails, destinations, deliveries, delivery_attempts.
Work: DeliveryWorker drives every DeliveryQueue, also those of packages above; the rows are claimed.
"""
