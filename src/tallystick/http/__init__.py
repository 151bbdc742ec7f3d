"""What both doors, the API and the pages, share of HTTP: bodies, forms and connections within limits.

Promise: nothing that a client sends is read without a limit of bytes and of time, and none of it stays in a cache. The
only reader of bodies is `read_body`; `BoundedRequest` closes the ways of the framework. Owns no tables.
"""
