"""Ids on the command line: they become part of a path, so they are looked at first."""

import re
from typing import Any

import typer

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


def _checked(text: str) -> str:
    if not _ID.fullmatch(text):
        raise typer.BadParameter("An id is letters, digits, _ and -: copy it from a listing.")
    return text


def _checked_if_given(text: str) -> str:
    return _checked(text) if text else text


def id_of(what: str, about: str = "Its id.", *, optional: bool = False) -> Any:
    """An argument that is an id, in a usage line as `what`."""
    return typer.Argument(metavar=what, help=about, callback=_checked_if_given if optional else _checked)
