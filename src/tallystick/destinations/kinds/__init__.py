"""The kinds of destinations, one module each: fields, form, validation, delivery and test message.

Promise: `registry.py` lists every kind, and nothing outside this package depends on a particular one.
"""
