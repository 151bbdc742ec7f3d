"""Documents and files: PDF, Markdown, CSV, JSON and Parquet.

Promises: the content of events stays plain text in every format, never markup or a formula; every character that
one of the fonts has is legible, also right to left and in scripts whose letters change their form, and any other is
shown by its code point; every PDF page
names the organization, the time and zone of creation, and the number of pages.

`fonts` and `lines` set text, `pages` is the frame of every PDF, `writers` lists the formats of exports. Nothing
here reads events from the store or decides who may see them. No tables, no work.
"""
