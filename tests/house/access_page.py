"""The tables of pages and of endpoints in docs/reference/access.md, made of what each declares."""

from litestar.routes import HTTPRoute

from tallystick.access.scopes import ROLES
from tallystick.api.openapi import path_template
from tallystick.api.operation import OPTION, Operation
from tallystick.api.routes import ROUTES
from tallystick.web.page_access import OPTION as OPTION_OF_ROLES
from tallystick.web.routes import WEB
from tests.house.tables import NOTE, table
from tests.house.tree import ROOT

PATH = "docs/reference/access.md"
PAGES = "## Who may use each page\n"
KEYS = "\n## Scopes of keys\n"
ENDPOINTS = "## What each endpoint needs\n"
AFTER = "\n## Signing in\n"


def access_page() -> str:
    """The page, with its tables made anew."""
    text = (ROOT / PATH).read_text(encoding="utf-8")
    for begin, made, end in ((PAGES, _pages(), KEYS), (ENDPOINTS, _endpoints(), AFTER)):
        text = f"{text.partition(begin)[0]}{begin}\n{NOTE}\n{made}{end}{text.partition(end)[2]}"
    return text


def _pages() -> str:
    found = {
        (path_template(path), method): ", ".join(f"`{role}`" for role in ROLES if role in handler.opt[OPTION_OF_ROLES])
        for route in WEB.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if OPTION_OF_ROLES in handler.opt
        for path in sorted(handler.paths)
        for method in sorted(map(str, handler.http_methods))
    }
    return table(
        ("page or form", "roles"), [(f"`{method} {path}`", roles) for (path, method), roles in sorted(found.items())]
    )


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
