"""Renders templates to HTML responses, and sets the headers of every response of the pages."""

from collections.abc import Iterable
from datetime import tzinfo
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import MediaType, Response

from tallystick.clock import now_us, second_words
from tallystick.display_text import display_value
from tallystick.events.changes import one_line
from tallystick.exports.words import control_words, framework_words
from tallystick.journal.missing_ranges import format_missing
from tallystick.retention.index_set import merge_ranges
from tallystick.web import display_filters, form_choices
from tallystick.web.assets import ASSETS
from tallystick.web.event_row import EventRow
from tallystick.web.filters import Filters
from tallystick.web.highlight import highlight

ENVIRONMENT = Environment(
    loader=PackageLoader("tallystick.web"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=display_value,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _now_words(zone: tzinfo) -> str:
    """The current time as text, to the second."""
    now = now_us()
    return second_words(now, zone)


def _position_words(indexes: Iterable[int]) -> str:
    """The indexes as text, with adjacent ones joined into ranges."""
    return format_missing(merge_ranges((index, index) for index in indexes))


ENVIRONMENT.filters |= {
    "exact": display_filters.exact,
    "lines": display_filters.lines,
    "direction": display_filters.direction,
    "bdi": display_filters.bdi,
    "sentence": display_filters.sentence,
    "inline_code": display_filters.inline_code,
    "one_line": one_line,
    "highlight": highlight,
    "control": control_words,
    "framework": framework_words,
    "ranges": format_missing,
    "positions": _position_words,
}
ENVIRONMENT.globals |= {"assets": ASSETS, "form": form_choices, "now_words": _now_words}

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# What the pages never use. They write to the clipboard, which is not listed and stays allowed.
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer",
                    "microphone", "midi", "payment", "usb")
)  # fmt: skip
# Referrer-Policy: URLs contain searches. no-store: pages contain events of the trail.
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": PERMISSIONS_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "HX-Request, HX-Target",
}


def render(template: str, **values: Any) -> str:
    """The rendered template as text; all values are escaped."""
    return ENVIRONMENT.get_template(template).render(**values)


def html(template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Response[str]:
    """An HTML response from a template."""
    return Response(render(template, **values), status_code=status, media_type=MediaType.HTML, headers=headers)


def redirect(url: str) -> Response[str]:
    """A redirect that the browser follows with GET."""
    return Response("", status_code=303, headers={"Location": url}, media_type=MediaType.HTML)


def row_html(line: EventRow, filters: Filters, needles: tuple[str, ...] = ()) -> str:
    """One row of the event table, from the template of the page."""
    macro: Any = ENVIRONMENT.get_template("row.html").module
    return str(macro.row(line, filters, "", needles)).strip()


async def add_headers(response: Response[Any]) -> Response[Any]:
    """Adds HEADERS to a response, without replacing headers that it has."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
