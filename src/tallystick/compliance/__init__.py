"""Compliance: reports that answer an auditor's questions with evidence, and reviews that people sign.

Promises: a report counts exactly the events below the position that the log had when the report was requested. It
lists first what is missing, and says where there is no evidence. Its questions are data in framework files, to which
a customer adds files of their own. A signed review does not change: the audit log holds the SHA-256 of what was
signed, and a correction is another review.

Tables: reviews, review_findings, review_reminders. Reports are exports and are built by the worker of exports.
Work: `review-reminders`, one worker over all processes, by transactions instead of a lease.
"""
