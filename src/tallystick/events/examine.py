"""Names every problem of an event that the typed decoder refused.

The rules are read from the types that `incoming` declares, so that each field is declared once. Slow; only requests
with errors come here.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import inspect

from tallystick.events.details import MAX_DEPTH
from tallystick.events.incoming import EventInput, Moment
from tallystick.events.problems import SHOWN_LENGTH, Problems
from tallystick.events.status_words import read_status

TOO_DEEP = f"Objects and lists can be nested at most {MAX_DEPTH} deep, counting the event as the first level."
READABLE_ACTION = "event.unreadable"  # stands where an action cannot be read, so that the rules after it still apply

_FINER_DIGITS = re.compile(r"(\.[0-9]{6})[0-9]+")
_KINDS = {str: "a text", dict: "an object", list: "a list", bool: "true or false", type(None): "null"}


class OutOfRange:
    """Stands for a JSON number that cannot be stored."""


class Unreadable(NamedTuple):
    """Stands for an event that could not be parsed."""

    code: str
    detail: str


class FieldRule(NamedTuple):
    """What a field may hold: `kind` is text (`shortest` to `longest`), choice, time, fields, list (at most `longest`
    objects with `fields`, or of `choices`), or object (any)."""

    kind: str
    required: bool
    shortest: int = 0
    longest: int = 0
    choices: tuple[str, ...] = ()
    fields: "dict[str, FieldRule] | None" = None


_WORD = FieldRule("choice", True)


def _rule(declared: inspect.Type, required: bool) -> FieldRule:
    while isinstance(declared, inspect.Metadata | inspect.UnionType):
        if isinstance(declared, inspect.Metadata):  # a description
            declared = declared.type
        else:
            declared = next(kind for kind in declared.types if not isinstance(kind, inspect.NoneType))
    if isinstance(declared, inspect.StrType):
        return FieldRule("text", required, declared.min_length or 0, declared.max_length or 0)
    if isinstance(declared, inspect.LiteralType):
        return FieldRule("choice", required, choices=tuple(str(value) for value in declared.values))
    if isinstance(declared, inspect.DateTimeType):
        return FieldRule("time", required)
    if isinstance(declared, inspect.StructType):
        return FieldRule("fields", required, fields=_rules(declared))
    if isinstance(declared, inspect.ListType) and isinstance(declared.item_type, inspect.LiteralType):
        choices = tuple(str(value) for value in declared.item_type.values)
        return FieldRule("list", required, longest=declared.max_length or 0, choices=choices)
    if isinstance(declared, inspect.ListType):
        items = cast(inspect.StructType, declared.item_type)
        return FieldRule("list", required, longest=declared.max_length or 0, fields=_rules(items))
    return FieldRule("object", required)


def _rules(struct: inspect.StructType) -> dict[str, FieldRule]:
    return {field.encode_name: _rule(field.type, field.required) for field in struct.fields}


RULES = _rules(cast(inspect.StructType, inspect.type_info(EventInput)))


def examine(sent: object, index: int, problems: Problems) -> EventInput:
    """Add the problems of one parsed event's form; returns what can be read, for the checks that follow."""
    before = len(problems)
    readable: dict[str, Any] = {}
    if isinstance(sent, dict):
        readable = _Examination(index, problems).fields(sent, RULES, "")
    elif isinstance(sent, Unreadable):
        problems.add(index, "", sent.code, sent.detail)
    else:
        problems.add(index, "", "wrong_type", f"An event must be an object, not {kind_of(sent)}.")
    try:
        return msgspec.convert({"action": READABLE_ACTION} | readable, EventInput)
    except (msgspec.ValidationError, RecursionError) as refusal:
        if len(problems) == before:
            problems.add(index, "", "invalid_event", f"The event cannot be read: {refusal}.")
        return EventInput(READABLE_ACTION)


def cut_to_microseconds(timestamp: str) -> str:
    """The timestamp without digits beyond the sixth of its fraction, which a decoder would round."""
    return _FINER_DIGITS.sub(r"\1", timestamp)


def kind_of(value: object) -> str:
    """The type of a parsed value, in words."""
    return _KINDS.get(type(value), "a number")


class _Examination:
    """Of one event."""

    def __init__(self, index: int, problems: Problems) -> None:
        self._index = index
        self._problems = problems

    def _add(self, field: str, code: str, detail: str) -> None:
        self._problems.add(self._index, field, code, detail)

    def fields(self, sent: dict[str, Any], rules: dict[str, FieldRule], prefix: str) -> dict[str, Any]:
        """The fields of `sent` that keep the rules."""
        for name in sent:
            if name not in rules and not self._problems.full:
                self._unknown(name, rules, prefix)
        readable: dict[str, Any] = {}
        for name, rule in rules.items():
            field, value = prefix + name, sent.get(name)
            if value is None:
                if rule.required:
                    self._add(field, "missing_field", f"`{field}` is required.")
            elif (kept := self._value(field, value, rule)) is not None:
                readable[name] = kept
        return readable

    def _unknown(self, name: str, rules: dict[str, FieldRule], prefix: str) -> None:
        near = self._problems.suggest(name[:SHOWN_LENGTH], tuple(rules))
        advice = f"did you mean `{prefix}{near}`?" if near else "put your own fields in `metadata`."
        self._add(prefix + name, "unknown_field", f"Unknown field; {advice}")

    def _value(self, field: str, value: Any, rule: FieldRule) -> Any:
        if rule.kind in ("object", "fields"):
            if not isinstance(value, dict):
                return self._add(field, "wrong_type", f"`{field}` must be an object, not {kind_of(value)}.")
            if rule.fields is not None:
                return self._object(field, value, rule.fields)
            return value if self._free(field, value) else None
        if rule.kind == "list":
            return self._list(field, value, rule)
        value = _as_text(value, field.rpartition(".")[2], rule)
        if not isinstance(value, str):
            return self._add(field, "wrong_type", f"`{field}` must be text, not {kind_of(value)}.")
        if problem := _text(field, value, rule):
            return self._add(field, *problem)
        return cut_to_microseconds(value) if rule.kind == "time" else value

    def _object(self, field: str, value: dict[str, Any], rules: dict[str, FieldRule]) -> dict[str, Any] | None:
        kept = self.fields(value, rules, field + ".")
        return kept if all(name in kept for name, inner in rules.items() if inner.required) else None

    def _list(self, field: str, value: Any, rule: FieldRule) -> list[Any] | None:
        if not isinstance(value, list):
            self._add(field, "wrong_type", f"`{field}` must be a list, not {kind_of(value)}.")
            return None
        if len(value) > rule.longest:
            detail = f"`{field}` can have at most {rule.longest} entries, not {len(value)}."
            self._add(field, "too_many_entries", detail)
            return None
        kept = []
        for number, entry in enumerate(value):
            place = f"{field}.{number}"
            if rule.choices:
                if (word := self._value(place, entry, _WORD._replace(choices=rule.choices))) is not None:
                    kept.append(word)
            elif not isinstance(entry, dict):
                self._add(place, "wrong_type", f"`{place}` must be an object, not {kind_of(entry)}.")
            elif (one := self._object(place, entry, rule.fields or {})) is not None:
                kept.append(one)
        return kept if len(kept) == len(value) else None

    def _free(self, field: str, value: dict[str, Any]) -> bool:
        sound = True
        for place, code, detail in _walk(field, value):
            sound = False
            self._add(place, code, detail)
            if self._problems.full:
                break
        return sound


def _as_text(value: Any, name: str, rule: FieldRule) -> Any:
    """The value as the field holds it, where another spelling is sure to mean it: a status of another system, a number
    as an id, the word of a choice in capitals."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if rule.kind == "choice" and name == "status":
        return read_status(value) or value
    if rule.kind == "choice" and isinstance(value, str):
        return next((choice for choice in rule.choices if choice == value.strip().lower()), value)
    is_id = rule.kind == "text" and (name in ("id", "account") or name.endswith("_id"))
    return str(value) if is_number and is_id else value


def _text(field: str, value: str, rule: FieldRule) -> tuple[str, str] | None:
    if problem := _characters(value):
        return problem
    if rule.kind == "choice" and value not in rule.choices:
        return "unknown_value", f"`{field}` must be one of {', '.join(rule.choices)}."
    if rule.kind == "time":
        return _time(field, value)
    if rule.longest and len(value) > rule.longest:
        return "too_long", f"`{field}` can have at most {rule.longest} characters, not {len(value)}."
    if len(value) < rule.shortest:
        return "missing_field", f"`{field}` is required and cannot be empty."
    return None


def _characters(text: str) -> tuple[str, str] | None:
    if "\0" in text:
        return "nul_character", "Text cannot contain the character NUL (\\u0000)."
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "lone_surrogate", "Text cannot contain a lone surrogate (\\ud800 to \\udfff)."
    return None


def _time(field: str, value: str) -> tuple[str, str] | None:
    try:
        msgspec.convert(value, Moment)
    except msgspec.ValidationError as refusal:
        if "timezone" in str(refusal):
            return "bad_timestamp", f"`{field}` needs a time zone: end it with Z, or with an offset such as +02:00."
        if value[17:19] == "60":
            return "bad_timestamp", f"`{field}` is a leap second, which is not supported. Send second 59."
        return "bad_timestamp", f"`{field}` must be an RFC 3339 time such as 2024-01-15T14:30:45.120Z."
    return None


def _walk(field: str, root: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What of a free-form object could not be stored. Iterative, and paths are built only when needed: what comes here
    may be deeper than the stack, and its keys long."""
    keys: list[object] = [field]
    open_: list[Iterator[tuple[object, Any]]] = [iter(root.items())]
    while open_:
        key, value = next(open_[-1], (None, None))
        if key is None:
            keys.pop()
            open_.pop()
            continue
        inside = _inside(value)
        problem = _characters(key) if isinstance(key, str) else None
        if isinstance(value, str):
            problem = problem or _characters(value)
        elif isinstance(value, OutOfRange):
            problem = problem or ("number_out_of_range", "This number is too large to store. Send it as text.")
        elif inside is not None and len(open_) + 2 > MAX_DEPTH:
            problem, inside = ("too_deep", TOO_DEEP), None
        if problem:
            yield ".".join(map(str, [*keys, key])), *problem
        if inside is not None:
            keys.append(key)
            open_.append(inside)


def _inside(value: object) -> Iterator[tuple[object, Any]] | None:
    if isinstance(value, dict):
        return iter(value.items())
    return enumerate(value) if isinstance(value, list) else None
