"""HTML from templates, and the headers that every answer of the pages carries."""

from datetime import tzinfo
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import MediaType, Response
from markupsafe import Markup, escape

from tallystick.clock import now_us, second_words
from tallystick.events.changes import one_line
from tallystick.exports.words import control_words, framework_words
from tallystick.web import form_choices
from tallystick.web.assets import ASSETS
from tallystick.web.event_row import EventRow
from tallystick.web.filters import Filters
from tallystick.web.highlight import highlight

ENVIRONMENT = Environment(
    loader=PackageLoader("tallystick.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def inline_code(text: str) -> Markup:
    """A message with what stands between backticks as code."""
    parts = (
        escape(part) if place % 2 == 0 else Markup("<code>{}</code>").format(part)
        for place, part in enumerate(text.split("`"))
    )
    return Markup().join(parts)


def _now_words(zone: tzinfo) -> str:
    """When a page was made, to the second."""
    now = now_us()
    return second_words(now, zone)


ENVIRONMENT.filters |= {
    "inline_code": inline_code,
    "one_line": one_line,
    "highlight": highlight,
    "control": control_words,
    "framework": framework_words,
}
ENVIRONMENT.globals |= {"assets": ASSETS, "form": form_choices, "now_words": _now_words}

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# Referrer-Policy: a URL holds what a person searched for. no-store: a page holds the trail.
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "HX-Request, HX-Target",
}


def render(template: str, **values: Any) -> str:
    """The template as text; every value is escaped."""
    return ENVIRONMENT.get_template(template).render(**values)


def html(template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Response[str]:
    """An HTML answer made from a template."""
    return Response(render(template, **values), status_code=status, media_type=MediaType.HTML, headers=headers)


def redirect(url: str) -> Response[str]:
    """Go on there with GET."""
    return Response("", status_code=303, headers={"Location": url}, media_type=MediaType.HTML)


def row_html(line: EventRow, filters: Filters, needles: tuple[str, ...] = ()) -> str:
    """One line of the table, by the same template as those of a page."""
    macro: Any = ENVIRONMENT.get_template("row.html").module
    return str(macro.row(line, filters, "", needles)).strip()


async def add_headers(response: Response[Any]) -> Response[Any]:
    """Adds what each answer of the pages carries, without replacing what it said itself."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
