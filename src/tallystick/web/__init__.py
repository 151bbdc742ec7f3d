"""The web pages. `routes.py` lists every route; each page has a module of its own.

Promises: every page works from its URL alone, including filters and paging without JavaScript; everything in an event
is shown as text; every response carries a Content-Security-Policy that allows nothing inline and no other origin; a
POST is accepted only from our own pages.

`templates/` holds the HTML, `static/` the stylesheets and small ES modules, `static/vendor/` third-party files with
their hashes.
"""
