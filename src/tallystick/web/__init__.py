"""The pages people see: sign-in, set-up of the first owner, and the Audit Logs page.

Promises: every page works from its URL alone, filters and paging without JavaScript too;
whatever an event holds is shown as text; every answer carries a Content-Security-Policy that
allows nothing inline and nothing from elsewhere; a POST is believed only from our own pages.

`routes.py` is the whole surface, one file per page beside it; `templates/` is the HTML,
`static/` one stylesheet and small ES modules, `static/vendor/` what others wrote, with hashes.
"""
