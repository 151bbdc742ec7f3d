"""Templates of sentences: fixed text with blanks, into which names and values of an event are filled."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tallystick.display_text import ELLIPSIS, display_line

MAX_TEMPLATE = 200  # characters
MAX_BLANKS = 10
MAX_PATH_KEYS = 10
MAX_VALUE = 100  # characters of a value as it stands in a sentence
MAX_LISTED = 3  # elements of a list
NOT_GIVEN = "(not given)"  # in place of a value that the event lacks, unless the blank says what stands there
NESTED = "(details)"  # in place of an object
VALUE_ROOTS = ("changes", "request", "response", "metadata")

# `{resource|a user}` says what stands there without a resource. A blank before it goes with it if it stays empty.
BLANK = re.compile(r" ?\{(?P<name>[^{}|]*)(?:\|(?P<without>[^{}]*))?\}")
KNOWN_BLANKS = "{actor}, {resource} and paths such as {changes.plan.after} or {metadata.team}"


def template_problem(template: str) -> str | None:
    """What is wrong with the template of an organization's own sentence, and what to do; None if it can be used."""
    if len(template) > MAX_TEMPLATE:
        return f"A sentence can have at most {MAX_TEMPLATE} characters. Shorten it."
    if not template.isprintable():
        return "A sentence is one line without invisible characters. Write it again."
    left = BLANK.sub("", template)
    if "{" in left or "}" in left:
        return "A brace is not closed, or not opened. Write placeholders as {actor}, and leave out other braces."
    names = [blank["name"] for blank in BLANK.finditer(template)]
    if len(names) > MAX_BLANKS:
        return f"A sentence can have at most {MAX_BLANKS} placeholders. Leave some out."
    for name in names:
        root, *keys = name.split(".")
        is_path = root in VALUE_ROOTS and keys and all(keys) and len(keys) < MAX_PATH_KEYS
        if name not in ("actor", "resource") and not is_path:
            return f"Unknown placeholder {{{name[:40]}}}. Use {KNOWN_BLANKS}."
    return (
        None if left.strip() else "A sentence needs words beside its placeholders, such as `{actor} changed the plan`."
    )


def fixed_texts(template: str) -> list[str]:
    """The stretches of text between the blanks."""
    return [text for text in BLANK.sub("\0", template).split("\0") if text.strip()]


def example_details(template: str) -> dict[str, Any]:
    """Details in which each path of a template leads to its own name."""
    details: dict[str, Any] = {}
    for blank in BLANK.finditer(template):
        *above, last = blank["name"].split(".")
        inside = details
        for key in above:
            inside = inside.setdefault(key, {})
            if not isinstance(inside, dict):
                break
        else:
            inside.setdefault(last, blank["name"])
    return details


def value_text(details: Mapping[str, Any], path: str) -> str:
    """The value at a path such as `changes.plan.after` as a sentence shows it; "" if there is none.

    On one line, at most MAX_VALUE characters. A key may hold dots; the elements of a list are looked into.
    """
    found = [text for value in _values_at(details, path, MAX_PATH_KEYS) if (text := _text(value))]
    more = f" {ELLIPSIS}" if len(found) > MAX_LISTED else ""
    return display_line(", ".join(found[:MAX_LISTED]), MAX_VALUE) + more


def _values_at(value: Any, path: str, depth: int) -> Iterator[Any]:
    """The values at a path: those of the elements, where a list stands at or above it."""
    if isinstance(value, list):
        for element in value[: MAX_LISTED + 1] if depth else ():
            yield from _values_at(element, path, depth - 1)
    elif not path:
        yield value
    elif isinstance(value, dict) and depth:
        if path in value:
            yield from _values_at(value[path], "", depth - 1)
            return
        key, _, rest = path.partition(".")
        if key in value and rest:
            yield from _values_at(value[key], rest, depth - 1)


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict():
            return NESTED
        case _:
            return display_line(str(value)[: 4 * MAX_VALUE], MAX_VALUE)
