"""The command line: one module per command; `app.py` imports the module of the command that is called.

Client commands (import, send, search, tail) call a server's HTTP API and need only its URL and an API key. Operator
commands (org, user, key) open the control database themselves, even while a server runs. Promises: results go to
standard output, messages to standard error; the exit status is 0, 1 (failed) or 2 (usage); an error says what to do.
"""
