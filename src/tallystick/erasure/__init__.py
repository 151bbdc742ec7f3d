"""Erasing a person from the trail: found, looked at, confirmed by a second person, taken, and taken again.

Promise: nothing is erased that is under a legal hold, nor before the log says exactly what. The entry of an event
stays and proves what is left of it. A crash at any place goes on with the same erasure; what was erased is erased
again after a restore. Of the request nothing personal stays once it is over.
Tables: erasures, erasure_steps. Work: one thread, of all processes one at a time.
"""
