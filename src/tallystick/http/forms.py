"""Reads the form that a browser posts, within limits."""

from collections.abc import Hashable
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request
from litestar.datastructures import FormMultiDict

from tallystick.errors import BadRequest, TooLarge, UnsupportedMedia
from tallystick.http.allowance import Allowance, Reservation
from tallystick.http.body import read_bytes

MOST_BYTES = 64 << 10
LONG_FORM = 256 << 10  # for a form of several long texts, of which a browser may write each character as nine
MOST_FIELDS = 1000
MOST_SECONDS = 20.0
URL_ENCODED = "application/x-www-form-urlencoded"
_HOLDER: Hashable = "forms"


async def read_form(request: Request[Any, Any, Any], allowance: Allowance) -> FormMultiDict:
    """The fields of a posted form; a route whose form holds long texts has the option `form_bytes`.

    The bytes are let go as soon as they are parsed. Raises TooLarge (`form_too_large`, `too_many_fields`), TooSlow,
    UnsupportedMedia, BadRequest (`disconnected`, `bad_form`), Unavailable.
    """
    most: int = request.route_handler.opt.get("form_bytes", MOST_BYTES)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    taken = Reservation(allowance, _HOLDER)
    try:
        declared = request.headers.get("content-length", "")
        body = await read_bytes(request.receive, declared, most, MOST_SECONDS, taken, partial(_too_large, most))
        if body and media_type != URL_ENCODED:
            raise UnsupportedMedia(f"Send the form as `Content-Type: {URL_ENCODED}`.")
        fields = _parse(body)
    finally:
        taken.give_back(taken.amount)
    if any("\0" in value for _, value in fields):
        raise BadRequest("Text cannot contain the character U+0000.", code="bad_form")
    return FormMultiDict(fields)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"A form can have at most {most >> 10} KiB. Shorten the text.", code="form_too_large")


def _parse(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise TooLarge(f"A form can have at most {MOST_FIELDS:,} fields.", code="too_many_fields") from None
