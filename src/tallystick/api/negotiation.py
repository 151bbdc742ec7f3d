"""Chooses the media type of an answer by the Accept header."""

from collections.abc import Sequence
from typing import Any

from litestar import Request

from tallystick.errors import TallystickError
from tallystick.events.body import NDJSON, NDJSON_NAMES


class NotAcceptable(TallystickError):
    """The client accepts none of the media types of the answer."""

    status, code, title = 406, "not_acceptable", "Not acceptable"


def choose_media_type(request: Request[Any, Any, Any], offered: Sequence[str]) -> str:
    """The media type among `offered` that the client prefers, the first of equals. Raises NotAcceptable."""
    ranges = [_range(part) for part in ",".join(request.headers.getall("accept", [])).split(",") if part.strip()]
    if not ranges:
        return offered[0]
    best = max(offered, key=lambda media: _quality(media, ranges))
    if _quality(best, ranges) <= 0:
        raise NotAcceptable(f"Available media types: {', '.join(offered)}. Name one of them in the Accept header.")
    return best


def _quality(media: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The quality, 0 to 1, of the most specific range that covers `media` (RFC 9110 §12.5.1)."""
    for name in (media, media.partition("/")[0] + "/*", "*/*"):
        given = [quality for named, quality in ranges if named == name]
        if given:
            return max(given)
    return 0.0


def _range(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    name = NDJSON if name in NDJSON_NAMES else name
    quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    try:
        return name, min(max(float(quality), 0.0), 1.0)
    except ValueError:
        return name, 1.0
