"""Scheduled exports: a file by mail, or in the operator's directory or bucket, each day, week or month.

Promises: in mode `new` each recipient gets each matching event once, by its index, however late it was recorded:
how far a recipient was served changes in the transaction that records what the mail server said. Only a crash
between these two sends a mail again, under the same Message-ID. A file holds what whoever scheduled it may see
now; nobody outside the organization gets one before an owner consents, nor after they unsubscribed.
Tables: export_schedules, schedule_recipients, schedule_runs, schedule_deliveries. Work: one thread, of all processes
one at a time. The files are exports, made and kept as those.
"""
