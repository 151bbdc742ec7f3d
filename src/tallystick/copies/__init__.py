"""Continuous copies: what an installation needs to be brought back, kept up to date in a directory or a bucket.

Promise: events are copied within seconds of their commit, everything else of the control database within a minute. A
copy that fails holds up nothing and is made up for; a restore brings back the state of any moment within the retention
of copies, each event compared with the log, and applies later erasures and purges before anything can be read.

`copier` makes them, `restore` brings them back, `generations` says of which files they consist, and why, `place_writer`
who may write them, and `copies_until` for how long they hold what was erased.
Tables: copies, copied_logs, copies_left. Work: copies.
"""
