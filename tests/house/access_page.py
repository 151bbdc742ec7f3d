"""The table of endpoints in docs/reference/access.md, made of what each declares; the rest is written by hand."""

from tallystick.api.openapi import path_template
from tallystick.api.operation import OPTION, Operation
from tallystick.api.routes import ROUTES
from tests.house.tables import NOTE, table
from tests.house.tree import ROOT

PATH = "docs/reference/access.md"
ENDPOINTS = "## What each endpoint needs\n"
AFTER = "\n## Signing in\n"


def access_page() -> str:
    """The page, with its tables made anew."""
    text = (ROOT / PATH).read_text(encoding="utf-8")
    before, after = text.partition(ENDPOINTS)[0], text.partition(AFTER)[2]
    return f"{before}{ENDPOINTS}\n{NOTE}\n{_endpoints()}{AFTER}{after}"


def _endpoints() -> str:
    rows = [
        (f"`{method} {path_template(path)}`", _scopes(route.opt[OPTION]), _optional(route.opt[OPTION]))
        for route in ROUTES
        for path in sorted(route.paths)
        for method in sorted(map(str, route.http_methods))
    ]
    return table(("endpoint", "scopes, all needed", "further scopes"), rows)


def _scopes(operation: Operation) -> str:
    return ", ".join(f"`{permission}`" for permission in operation.permissions) or "no key"


def _optional(operation: Operation) -> str:
    return "; ".join(f"`{permission}` to {what}" for permission, what in operation.optional.items())
