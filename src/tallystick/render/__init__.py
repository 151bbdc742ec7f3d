"""Writing documents: what is on paper, or in a file that somebody takes away.

Promises: whatever stands in an event is text and nothing else, in every format; every letter that a
font here has is legible, right-to-left names too, and one that none has is named by its code point;
every page says whose document it is, when and in which zone it was made, and how many pages there are.

`fonts` and `lines` set text, `pages` is the frame around every PDF, `incident_report` the first
document. Nothing here reads events or decides who may see them. No tables, no work.
"""
