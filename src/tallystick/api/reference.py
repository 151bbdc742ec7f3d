"""The API described: for programs at /openapi.json, for people at /docs."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response, get

from tallystick.api.answers import answer, encode
from tallystick.api.document import DOCUMENT
from tallystick.api.document.reading import chapters, codes, shapes

HTML_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "public, max-age=300",
    "Referrer-Policy": "no-referrer",
}
_STYLESHEET = (Path(__file__).parent / "templates" / "docs.css").read_bytes()


@get("/openapi.json", name="api.show_openapi")
async def show_openapi() -> Response[Any]:
    """The OpenAPI 3.1 document."""
    return answer(_openapi(), headers={"Cache-Control": "public, max-age=300"})


@get("/docs", name="api.show_docs")
async def show_docs() -> Response[Any]:
    """The same document as a page, made here: it loads nothing from elsewhere and runs no script."""
    return answer(_page(), media_type="text/html", headers=HTML_HEADERS)


@get("/docs/docs.css", name="api.show_docs_stylesheet")
async def show_docs_stylesheet() -> Response[Any]:
    """How that page looks."""
    return answer(_STYLESHEET, media_type="text/css", headers={"Cache-Control": "public, max-age=300"})


@cache
def _openapi() -> bytes:
    return encode(DOCUMENT)


@cache
def _page() -> bytes:
    environment = Environment(
        loader=PackageLoader("tallystick.api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return (
        environment.get_template("docs.html")
        .render(document=DOCUMENT, chapters=chapters(DOCUMENT), shapes=shapes(), codes=codes())
        .encode()
    )
