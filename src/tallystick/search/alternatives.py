"""Other ways to write a term of a search that found nothing: what people often mean by it."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple
from unicodedata import normalize

from tallystick.query.case_folding import fold
from tallystick.query.values import unescaped
from tallystick.search.qualifiers import FIELDS, PARTS
from tallystick.search.term_heads import Head, head_of
from tallystick.search.tokens import quoted, quoted_pattern

# Where a value is looked for that was not found under another qualifier, likeliest first.
_OTHERS = (
    "user", "resource", "session", "request", "external_id", "trace", "source", "original", "type", "account",
    "credential", "tool", "for", "recorded_by", "region", "network",
)  # fmt: skip
_LIKELY = 5  # of these
_FIXED = frozenset({"category", "status", "severity", "actor_type", "channel", "mode", "country"})
_NO_TEXT = frozenset({*_FIXED, "id", "ip", "after", "before", "on"})
_DAY = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})(?:[T ].*)?")
_DAY_FIRST = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_NAMED = re.compile(r"([\w.-]+)[:=](.+)")
_FOREIGN_SIGNS = re.compile(r"^[\^+~#]+|(?:[~^][0-9.]*|\$|[,;:!?]+)$")
_DOTTED = {"i": "i\u0307", "i\u0307": "i", "ı": "i"}


class Alternative(NamedTuple):
    """A term to search for instead; `reason` says what it means."""

    term: str
    reason: str


def alternatives(term: str) -> Iterator[Alternative]:
    """Other ways to write a term of a search, likeliest first. `term` is a word, a phrase, or one with a qualifier."""
    head = head_of(term, 0)
    if head is None or head.opens_element:
        yield from _of_word(_text_of(term), term.startswith('"'))
    elif head.kind == "path":
        yield from _of_path(head, _text_of(term[head.value_at :]))
    else:
        yield from _of_qualifier(head, _text_of(term[head.value_at :]))


def identifiers(term: str) -> list[Alternative]:
    """The word or phrase as an id of each kind: one without a digit is not looked for among ids by itself."""
    if head_of(term, 0) is not None:
        return []
    value = quoted_pattern(_text_of(term))
    return [Alternative(f"{name}:{value}", _meaning(name)) for name in ("external_id", "session", "request", "trace")]


def spelling_variants(text: str) -> Iterator[str]:
    """The text as keyboards of other languages write it: accents composed in another way, dotted and dotless i."""
    folded = fold(text)
    for form in ("NFC", "NFD"):
        if (found := fold(normalize(form, folded))) != folded:
            yield found
    for letter, other in _DOTTED.items():
        if letter in folded:
            yield folded.replace(letter, other, 1)
            yield folded.replace(letter, other)
    plain = "".join(letter for letter in normalize("NFD", folded) if not "\u0300" <= letter <= "\u036f")
    if plain != folded:
        yield plain


def _text_of(written: str) -> str:
    inside = written[1:-1] if len(written) > 1 and written[0] == written[-1] == '"' else written
    return unescaped(inside.replace('\\"', '"'))


def _of_word(text: str, is_phrase: bool) -> Iterator[Alternative]:
    if day := _day_of(text):
        yield Alternative(f"on:{day}", "the day")
    cleaned = _FOREIGN_SIGNS.sub("", text)
    if cleaned and cleaned != text:
        yield Alternative(quoted_pattern(cleaned) if not is_phrase else quoted(cleaned), "without the sign")
    if ".*" in text or "?" in text:
        yield Alternative(quoted_word(text.replace(".*", "*").replace("?", "*")), "with a wildcard")
    if named := _NAMED.fullmatch(text):
        name, value = named[1], named[2].strip("\"'")
        for part in ("metadata", "request", "changes", "response"):
            if all(re.fullmatch(r"[\w-]+", key) for key in name.split(".")):
                yield Alternative(f"{part}.{name}:{quoted_pattern(value)}", f"a value in {part}")
        yield Alternative(quoted(value), "the value alone")
    for variant in spelling_variants(text):
        yield Alternative(quoted(variant), "another spelling")
    words = text.split()
    if is_phrase and len(words) > 1:
        yield Alternative(" ".join(map(quoted_word, words)), "the words in any order")


def _of_qualifier(head: Head, value: str) -> Iterator[Alternative]:
    name, bare = head.name, value.strip("*")
    if not bare:
        return
    if day := _day_of(value):
        yield Alternative(f"on:{day}", "the day")
    if name not in _NO_TEXT:
        for pattern in (f"{bare}*", f"*{bare}", f"*{bare}*"):
            if pattern != value:
                yield Alternative(f"{head.written}:{quoted_pattern(pattern)}", "with a wildcard")
        if " " in bare:
            yield Alternative(f"{head.written}:{quoted_pattern(value.replace(' ', '+'))}", "with a plus sign")
    if _is_address(bare) and name != "ip":
        yield Alternative(f"ip:{bare}", "an address")
    if "." in bare and name != "action" and re.fullmatch(r"[a-z0-9_.]+", bare):
        yield Alternative(f"action:{bare}*", "an action")
    others = [Alternative(f"{one}:{quoted_pattern(value)}", _meaning(one)) for one in _OTHERS if one != name]
    yield from others[:_LIKELY]
    yield Alternative(quoted(bare), "anywhere in an event")
    if name not in _NO_TEXT:
        for variant in spelling_variants(value):
            yield Alternative(f"{head.written}:{quoted_pattern(variant)}", "another spelling")
    yield from others[_LIKELY:]


def _of_path(head: Head, value: str) -> Iterator[Alternative]:
    bare = value.strip("*").lstrip("=<>!")
    part, _, below = head.written.partition(".")
    if not bare:
        if below:
            yield from (Alternative(f"{one}.{below}:*", f"a value in {one}") for one in PARTS if one != fold(part))
        return
    if head.spelling or bare != value:
        yield Alternative(f"{head.written}:{quoted_pattern(bare)}", "a value that contains it")
    if below:
        yield from (
            Alternative(f"{one}.{below}:{quoted_pattern(bare)}", f"a value in {one}")
            for one in PARTS
            if one != fold(part)
        )
        yield Alternative(f"{part}:{quoted_pattern(bare)}", f"anywhere in {fold(part)}")
    for variant in spelling_variants(bare):
        yield Alternative(f"{head.written}:{quoted_pattern(variant)}", "another spelling")
    yield Alternative(quoted(bare), "anywhere in an event")


def quoted_word(text: str) -> str:
    """The text as a word, in quotes if it must be."""
    return quoted_pattern(text)


def _day_of(text: str) -> str:
    """The day that the text may be, as `on:` takes it; "" if it is none."""
    if text.lower() in ("today", "yesterday"):
        return text.lower()
    if found := _DAY.fullmatch(text):
        year, month, day = found.groups()
    elif found := _DAY_FIRST.fullmatch(text):
        day, month, year = found.groups()
    else:
        return ""
    return f"{year}-{int(month):02d}-{int(day):02d}"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _meaning(name: str) -> str:
    return {
        "user": "who did it", "resource": "what it was done to", "external_id": "the sender's own id",
        "original": "the source's own action", "type": "a type of resource", "for": "on whose behalf",
        "recorded_by": "who recorded it", "account": "an account", "credential": "a credential",
    }.get(name, f"a {FIELDS[name].replace('_', ' ')}")  # fmt: skip
