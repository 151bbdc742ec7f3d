"""What importers yield: events, and what is wrong with the values that are none."""

from typing import Any, NamedTuple


class ParsedEvent(NamedTuple):
    """An event and its location in the file, or None and the problem that prevented parsing.

    `foreign`: it is whole, but of another kind than the format, such as a log of another service.
    """

    location: str
    event: dict[str, Any] | None
    problem: str = ""
    foreign: bool = False
