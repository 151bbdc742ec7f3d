"""Which form of an answer a client takes."""

from collections.abc import Sequence
from typing import Any

from litestar import Request

from tallystick.errors import TallystickError


class NotAcceptable(TallystickError):
    """None of the forms that there are is one that the client takes."""

    status, code, title = 406, "not_acceptable", "Not acceptable"


def chosen_media(request: Request[Any, Any, Any], offered: Sequence[str]) -> str:
    """The media type among `offered` that the client likes best, the first of equals. NotAcceptable."""
    ranges = [_range(part) for part in ",".join(request.headers.getall("accept", [])).split(",") if part.strip()]
    if not ranges:
        return offered[0]
    best = max(offered, key=lambda media: _liking(media, ranges))
    if _liking(best, ranges) <= 0:
        raise NotAcceptable(f"This comes as {', '.join(offered)}: name one of them in the Accept header.")
    return best


def _liking(media: str, ranges: Sequence[tuple[str, float]]) -> float:
    """How much, 0 to 1, by the most specific range that covers `media` (RFC 9110 §12.5.1)."""
    for name in (media, media.partition("/")[0] + "/*", "*/*"):
        given = [quality for named, quality in ranges if named == name]
        if given:
            return max(given)
    return 0.0


def _range(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    try:
        return name, min(max(float(quality), 0.0), 1.0)
    except ValueError:
        return name, 1.0
