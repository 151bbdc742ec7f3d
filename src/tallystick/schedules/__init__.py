"""Scheduled exports: a file by email, or in the operator's directory or bucket, every day, week or month.

Promises: in mode `new` each recipient gets each matching event once, by its index, however late it was recorded: how
far a recipient was served changes in the transaction that records what the mail server answered. Only a crash between
the two sends an email again, with the same Message-ID. A file contains what the person who scheduled it may see now.
Nobody outside the organization gets one before an owner consents, nor after unsubscribing.
Tables: export_schedules, schedule_recipients, schedule_runs, schedule_deliveries.
Work: Scheduler begins the runs, ExportQueue delivers their files, both in the one process that holds the lease. The
files are exports, and kept as those.
"""
