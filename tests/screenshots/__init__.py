"""`make screenshots`: pictures of every page and state, into screenshots/, for people to look at.

`demo` is the server they are taken of, with events that are hard to show; `trail` pictures the Audit Logs page,
`around` what stands around it, `watching` Alerts and Security, `beginning` what one sees before there is a trail, or
when it is away.
"""
