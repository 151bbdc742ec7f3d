"""Compliance: reports that answer an auditor's questions with evidence from the trail, and reviews that people sign.

Promises: a report counts exactly what lies below the position that the log had when it was asked for, says first what
is missing, and says it where there is no evidence; its questions are data, which a customer extends with files of
its own. A signed review is not changed: what was signed stands in the trail as a SHA-256, a correction is another one.
Tables: reviews, review_findings, review_reminders. Reports are exports, made by the same thread.
Work: one thread, of all processes one at a time, that reminds of reviews.
"""
