"""Exports: what a filter finds, written to a file that is fetched later; any filter, any size.

Promises: an export holds the events below the position that the log had when it was asked for, and what
whoever asked may see, when it was asked for and when it is made; no half file is ever offered: a file has
its name only when it is whole and on the disk, and a crash begins it again; it goes after a set time, when
somebody deletes it, and when personal data is erased.
Tables: exports. Work: one thread, of all processes one at a time. Files: exports/ in the data directory.
"""
