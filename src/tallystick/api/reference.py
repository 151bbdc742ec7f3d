"""The API reference: for programs at /openapi.json, for people at /docs."""

from functools import cached_property, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from tallystick.api.answers import JSON, encode, encoded_answer
from tallystick.api.operation import operation
from tallystick.api.reference_page import error_codes, schemas, topics

HTML_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "public, max-age=300",
    "Referrer-Policy": "no-referrer",
}
_CACHED = {"Cache-Control": "public, max-age=300"}
_STYLESHEET = (Path(__file__).parent / "templates" / "docs.css").read_bytes()
_operation = partial(operation, "Reference")


class Reference:
    """The OpenAPI document and the page that is made of it, each encoded once."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    @cached_property
    def openapi(self) -> bytes:
        """The document as JSON."""
        return encode(self.document)

    @cached_property
    def page(self) -> bytes:
        """The document as HTML, which loads nothing from elsewhere and runs no script."""
        environment = Environment(
            loader=PackageLoader("tallystick.api"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        html = environment.get_template("docs.html").render(
            document=self.document, topics=topics(self.document), schemas=schemas(self.document), codes=error_codes()
        )
        return html.encode()


GivenReference = NamedDependency[SkipValidation[Reference]]


@get("/openapi.json", opt=_operation(answer="The OpenAPI document.", media={JSON: {"type": "object"}}))
async def show_openapi(reference: GivenReference) -> Response[Any]:
    """Get the OpenAPI 3.1 document."""
    return encoded_answer(reference.openapi, headers=_CACHED)


@get("/docs", opt=_operation(answer="The page.", media={"text/html": {"type": "string"}}))
async def show_docs(reference: GivenReference) -> Response[Any]:
    """Get the API reference as a page."""
    return encoded_answer(reference.page, "text/html", headers=HTML_HEADERS)


@get("/docs/docs.css", opt=_operation(answer="The stylesheet.", media={"text/css": {"type": "string"}}))
async def show_docs_stylesheet() -> Response[Any]:
    """Get the stylesheet of the API reference."""
    return encoded_answer(_STYLESHEET, "text/css", headers=_CACHED)
