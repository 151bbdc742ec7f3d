"""The texts by which a person is known, and where they stand in an event or in any other text.

They count ignoring case, as whole words, in values as in keys, in both Unicode forms of a letter with an accent, and
as a URL has them.
An id of digits alone, or of fewer than four characters, counts only as the actor's, and as the resource's of a
person: anywhere else it may be anything.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from unicodedata import normalize
from urllib.parse import quote, quote_plus

import msgspec

from tallystick.errors import BadRequest
from tallystick.events.catalogue import LASTING
from tallystick.events.record import Record, StoredEvent
from tallystick.merkle.commitment import PARTS
from tallystick.query.fold import fold

ERASED = "[erased]"
MOST_ALSO = 20
MOST_TEXT = 320
LEAST_ALSO = 3
LEAST_ID = 4
# Resources of these types are people, whatever else is in their id.
PEOPLE = frozenset({"user", "person", "member", "account", "employee", "customer", "contact", "profile"})
_object = msgspec.json.Decoder(dict[str, Any]).decode
_EMAIL = re.compile(r"[^\s@\x00-\x1f]+@[^\s@\x00-\x1f]+")
# From Thai on there are scripts that put no space between words; Latin and Greek have another block there.
_UNSPACED = re.compile("[\u0e00-\u1cff\u2e80-\uff00\U00020000-\U0003ffff]")
# In a URL a word may begin behind the escape of a mark or a line's end, which ends with what looks like a letter:
# `user%3Ausr_456`.
_MARK = "%(?:0[9A-D]|2[0-9A-F]|3[A-F]|40|5[B-E]|60|7[B-E])"
# Not so an address behind the escape of what a longer address may have there: + % . - and an apostrophe.
_ADDRESS_IN_URL = rf"(?<={_MARK})(?<!%2[5BDE])(?<!\w%27)|(?<={_MARK}%27)"


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom it is about, and by which texts beside."""

    email: str = ""
    id: str = ""
    also: tuple[str, ...] = ()


def checked(subject: Subject) -> Subject:
    """The subject without space around its texts; BadRequest (`bad_erasure`) for one that says too little or too much.

    A text that is very short would be found everywhere.
    """
    email, identity = subject.email.strip(), subject.id.strip()
    also = tuple(dict.fromkeys(text for one in subject.also if (text := one.strip())))
    if not (email or identity):
        raise BadRequest("Say whose data: `email` or `id`.", code="bad_erasure", field="subject")
    if email and (not _EMAIL.fullmatch(email) or len(email) > MOST_TEXT):
        raise BadRequest("This is no e-mail address.", code="bad_erasure", field="subject.email")
    if len(also) > MOST_ALSO:
        raise BadRequest(f"`also` has at most {MOST_ALSO} texts.", code="bad_erasure", field="also")
    for field, texts in (("subject.id", [identity] if identity else []), ("also", also)):
        for text in texts:
            if len(text) > MOST_TEXT or not text.isprintable():
                raise BadRequest(
                    f"A text is printable and has at most {MOST_TEXT} characters.", code="bad_erasure", field=field
                )
            if field == "also" and len(text) < LEAST_ALSO:
                raise BadRequest(
                    f"{text!r} would be found in too much: `also` takes texts of {LEAST_ALSO} characters or more.",
                    code="bad_erasure", field=field,
                )  # fmt: skip
    return Subject(email, identity, also)


@dataclass(frozen=True)
class Texts:
    """A subject as it is looked for."""

    subject: Subject

    @cached_property
    def needles(self) -> Sequence[str]:
        """What stands in the JSON of a part, folded, wherever one of the texts does: it may find too much."""
        said = (self.subject.email, self.subject.id, *self.subject.also)
        found = [form for text in said if text for plain in _forms(text) for form in (plain, *_in_urls(plain))]
        return list(dict.fromkeys(fold(json.dumps(text, ensure_ascii=False)[1:-1]) for text in found))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        words = [form for text in (*self._words_id, *self.subject.also) for form in _forms(text)]
        emails = _forms(self.subject.email) if self.subject.email else []
        patterns = [_email_pattern(form) for form in emails]
        patterns += [_word_pattern(word) for word in words]
        patterns += [_email_url_pattern(form) for email in emails for form in _in_urls(email)]
        patterns += [_url_pattern(form) for word in words for form in _in_urls(word)]
        return re.compile("|".join(patterns) or r"(?!)", re.IGNORECASE)

    @property
    def _words_id(self) -> list[str]:
        identity = self.subject.id
        return [identity] if len(identity) >= LEAST_ID and not identity.isdigit() else []

    def stands_in(self, text: str) -> bool:
        """Whether one of the texts stands in this one."""
        return self._pattern.search(text) is not None

    def without(self, text: str) -> str:
        """The text with `[erased]` in their place."""
        return self._pattern.sub(ERASED, text)

    def without_in_json(self, text: str) -> str:
        """The same for the values of a JSON text, whatever is escaped in them; its names are our own."""
        said = msgspec.json.decode(text)
        left = self._left(said)
        return text if left == said else msgspec.json.encode(left).decode()

    def kinds(self, event: StoredEvent | Record) -> dict[str, str]:
        """What the person is in an event, by the part that says so: actor, context, resource, details, record.

        Of the records that explain what is gone, what they say stays.
        """
        what, target, who, details = (_part(event, part) for part in PARTS)
        found: dict[str, str] = {}
        if who and (kind := self._in_who(who)):
            found["who"] = kind
        if target and (self._is(target.get("id"), target.get("type")) or self._holds(target)):
            found["target"] = "resource"
        if what.get("action") in LASTING and what.get("recorded_by", {}).get("id") == "tallystick":
            return found
        if self._holds(details):
            found["details"] = "details"
        if self._holds(what):
            found["what"] = "record"
        return found

    def names_of(self, event: StoredEvent | Record) -> Iterator[tuple[str, str]]:
        """By which other names the actor goes whose e-mail or id it is: (field, text)."""
        who = _part(event, "who")
        actor = who.get("actor", {})
        for person in (actor, actor.get("on_behalf_of") or {}):
            if self._is_person(person):
                for field in ("email", "id", "name"):
                    if person.get(field):
                        yield field, str(person[field])

    def _in_who(self, who: dict[str, Any]) -> str:
        actor = who.get("actor", {})
        if self._is_person(actor) or self._is_person(actor.get("on_behalf_of") or {}) or self._holds(actor):
            return "actor"
        return "context" if self._holds(who) else ""

    def _is_person(self, person: dict[str, Any]) -> bool:
        email = str(person.get("email", ""))
        return (bool(self.subject.email) and fold(email) == fold(self.subject.email)) or self._is(
            person.get("id"), "user"
        )

    def _is(self, identity: object, kind: object) -> bool:
        return bool(self.subject.id) and identity == self.subject.id and str(kind).lower() in PEOPLE

    def _left(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.without(value)
        if isinstance(value, dict):
            return {key: self._left(inner) for key, inner in value.items()}
        return [self._left(inner) for inner in value] if isinstance(value, list) else value

    def _holds(self, value: Any) -> bool:
        if isinstance(value, str):
            return self.stands_in(value)
        if isinstance(value, dict):
            return any(self.stands_in(key) or self._holds(inner) for key, inner in value.items())
        return isinstance(value, list) and any(map(self._holds, value))


def _part(event: StoredEvent | Record, name: str) -> dict[str, Any]:
    return _object(getattr(event, name) or b"{}")


def _forms(text: str) -> list[str]:
    return list(dict.fromkeys((text, normalize("NFC", text), normalize("NFD", text))))


def _in_urls(text: str) -> list[str]:
    """As a URL has the text, where that is another: saved views are kept so, and requests name URLs."""
    return [form for form in dict.fromkeys((quote(text, safe=""), quote_plus(text), quote(text))) if form != text]


def _url_pattern(form: str) -> str:
    """Nothing of a word before it, but perhaps the end of another letter's escape."""
    return rf"(?:(?<!\w)|(?<=%[0-9A-F][0-9A-F])){re.escape(form)}(?![\w-]|\.\w)"


def _email_pattern(email: str) -> str:
    """Not the end of a longer address, nor the beginning of one; a full stop may follow."""
    return rf"(?:(?<!\w)(?<!\w[.+%'-])|{_ADDRESS_IN_URL}){re.escape(email)}(?![\w-]|\.\w)"


def _email_url_pattern(form: str) -> str:
    """The same where the address is escaped; there a plus is a space."""
    before = rf"(?<!\w)(?<!\w[.'-])|(?<={_MARK}[.'-])|{_ADDRESS_IN_URL}"
    return rf"(?:{before}){re.escape(form)}(?![\w-]|\.\w)"


def _word_pattern(word: str) -> str:
    if _UNSPACED.search(word):
        return re.escape(word)
    return rf"(?:(?<!\w)|(?<={_MARK})){re.escape(word)}(?!\w)"
