"""The schema of the first release, revision 0014: every table as it was created then.

Only its migration imports this. It never changes: later changes are migrations of their own.
"""
