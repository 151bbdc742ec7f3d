"""Exports: files of the events that a filter finds, built in the background and downloaded later; of any size.

Promises: an export holds the events below the size of the log at the time of the request, and only what the
requester may see, both then and when it is built; an incomplete file is never offered: a file gets its name once
it is complete and on the disk, and after a crash it is built again; it is deleted after seven days, on request,
and when personal data is erased. A link to a file works as long as whoever made it has access.
Tables: exports, export_links. Work: one thread, of all processes one at a time. Files: exports/ in the data directory.
"""
