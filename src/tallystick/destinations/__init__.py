"""What leaves the server to somebody else: mail, webhooks, and files for a directory or a bucket.

Promise: a mail that was put is sent once the mail server takes it, at most once as far as SMTP allows, or given up
after a day; nothing of it stays then but when it was. TLS is verified, no header can be injected, no secret is logged.
A file that was put is there whole, as read back. No request goes to a private address that the operator did not allow.
What waits for a destination is sent once for each id, again with the same id where the answer is not clear, each
attempt written down; one that is dead holds up no other.
Tables: mails, destinations, deliveries, delivery_attempts. Work: one thread for mails, one for destinations with a few
workers; each thing is claimed, so that several processes share the work.
"""
