"""Who gets what: every route with every kind of credential, against tables written by hand.

`api_table.py` and `page_table.py` say what each route needs. They are compared with what the routes declare, so that
neither can change alone, and each cell is tried on a running server: without credentials, with malformed, expired and
revoked ones, as each role, with each scope alone, and from another organization with the ids of this one.
"""
