"""The HTTP API: the door for programs.

Promises: every answer that is not what was asked for is `application/problem+json` with a stable
`code` and a `detail` that says what to do; an unknown or doubled query parameter is refused, since
a filter that is silently left out would show other events than were asked for; whatever a body
unpacks to, no more than 10 MiB of it is ever held; an answer that is streamed breaks off rather
than end early.

`routes.py` is the whole surface, one file per thing beside it; `document/` is the OpenAPI document,
which a test holds equal to the routes. A handler reads the request, calls one function, writes the answer.
"""
