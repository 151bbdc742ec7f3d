"""The HTTP API for programs.

Promises: every error is `application/problem+json` with a stable `code` and a `detail` that says what to do; an
unknown or repeated query parameter is refused, since ignoring a filter would return other events than were asked for;
at most 10 MiB of an uncompressed body are held; a stream that fails breaks the connection instead of ending early.

`routes.py` lists every endpoint. The module of a resource holds its handlers and, beside them, the Structs of bodies
and answers; `operation.py` is what a handler declares of itself, and `openapi.py` makes the OpenAPI document of all
that.
"""
