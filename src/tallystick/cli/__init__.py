"""The command line: one file per command, `app.py` finds the right one.

Client commands (import, send, search, tail) speak to a server through its HTTP API and need
nothing but its URL and a key. Operator commands (org, user, key) open the control database
themselves, also beside a running server. Promises: results go to standard output, words about
them to standard error; exit status 0, 1 (failed) or 2 (usage); an error says what to do next.
"""
