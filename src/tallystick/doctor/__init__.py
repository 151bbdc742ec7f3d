"""Health checks of an installation, for `tallystick doctor`.

Promises: the checks change nothing, need no running server and do not disturb one; every problem and every warning
comes with advice. Tables: none of its own; the checks read those of the packages below.
"""
