"""The texts that identify a person, and the matching and redaction of them in events and other texts.

Texts match ignoring case, as whole words, in values and in keys, in composed and decomposed Unicode form (NFC, NFD),
and percent-encoded. An id of digits only, or of fewer than four characters, matches only as the id of an actor or of
a resource that is a person: elsewhere the same digits may mean anything.
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
from tallystick.events.copies import resources_of
from tallystick.events.record import Record, StoredEvent
from tallystick.merkle.commitment import PARTS
from tallystick.query.case_folding import fold
from tallystick.query.own_records import is_own_record

ERASED = "[erased]"
MAX_ALSO = 20
MAX_TEXT = 320
MIN_ALSO = 3
MIN_ID = 4
# Resources of these types are people, whatever else is in their id.
PEOPLE = frozenset({"user", "person", "member", "account", "employee", "customer", "contact", "profile"})
_object = msgspec.json.Decoder(dict[str, Any]).decode
_EMAIL = re.compile(r"[^\s@\x00-\x1f]+@[^\s@\x00-\x1f]+")
# Scripts that put no space between words, from Thai on; without Latin and Greek Extended in between.
_UNSPACED = re.compile("[\u0e00-\u1cff\u2e80-\uff00\U00020000-\U0003ffff]")
# In a URL a word may follow an escaped punctuation mark or line end, whose last digit looks like a letter of it:
# `user%3Ausr_456`.
_MARK = "%(?:0[9A-D]|2[0-9A-F]|3[A-F]|40|5[B-E]|60|7[B-E])"
# An address must not follow an escaped character that belongs to a longer address: + % . - and an apostrophe.
_ADDRESS_IN_URL = rf"(?<={_MARK})(?<!%2[5BDE])(?<!\w%27)|(?<={_MARK}%27)"


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The person whose data is erased: e-mail address, id, and further texts in `also`."""

    email: str = ""
    id: str = ""
    also: tuple[str, ...] = ()


def validate_subject(subject: Subject) -> Subject:
    """The subject with stripped texts; BadRequest (`bad_erasure`) when it has too few, too many or unusable texts.

    Very short texts are refused, since they would match everywhere.
    """
    email, identity = subject.email.strip(), subject.id.strip()
    also = tuple(dict.fromkeys(text for one in subject.also if (text := one.strip())))
    if not (email or identity):
        raise BadRequest("Give the person's `email` or `id`.", code="bad_erasure", field="subject")
    if email and (not _EMAIL.fullmatch(email) or len(email) > MAX_TEXT):
        raise BadRequest("This is not a valid e-mail address.", code="bad_erasure", field="subject.email")
    if len(also) > MAX_ALSO:
        raise BadRequest(f"`also` may have at most {MAX_ALSO} texts.", code="bad_erasure", field="also")
    for field, texts in (("subject.id", [identity] if identity else []), ("also", also)):
        for text in texts:
            if len(text) > MAX_TEXT or not text.isprintable():
                raise BadRequest(
                    f"A text must be printable and at most {MAX_TEXT} characters long.", code="bad_erasure", field=field
                )
            if field == "also" and len(text) < MIN_ALSO:
                raise BadRequest(
                    f"{text!r} is too short: texts in `also` need at least {MIN_ALSO} characters.",
                    code="bad_erasure",
                    field=field,
                )
    return Subject(email, identity, also)


@dataclass(frozen=True)
class SubjectMatcher:
    """Finds and redacts the texts of a subject."""

    subject: Subject

    @cached_property
    def needles(self) -> Sequence[str]:
        """Folded substrings for the event store: every event that matches contains one of them, and some others do."""
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
        return [identity] if len(identity) >= MIN_ID and not identity.isdigit() else []

    def occurs_in(self, text: str) -> bool:
        """Whether one of the subject's texts occurs in `text`."""
        return self._pattern.search(text) is not None

    def redact(self, text: str) -> str:
        """The text with `[erased]` in place of the subject's texts."""
        return self._pattern.sub(ERASED, text)

    def redact_json(self, text: str) -> str:
        """A JSON text with its string values redacted, also where they are escaped; its keys are the server's own."""
        said = msgspec.json.decode(text)
        left = self._redact_value(said)
        return text if left == said else msgspec.json.encode(left).decode()

    def roles_in(self, event: StoredEvent | Record) -> dict[str, str]:
        """The person's role in an event, by the part that names them: actor, context, resource, details or record.

        The details of deletion records are never matched: they explain what is missing, and stay.
        """
        what, target, who, details = (_part(event, part) for part in PARTS)
        found: dict[str, str] = {}
        if who and (kind := self._role_in_who(who)):
            found["who"] = kind
        people = any(self._is_person_id(one.get("id"), one.get("type")) for one in resources_of(target))
        if people or self._occurs_in(target):
            found["target"] = "resource"
        if what.get("action") in LASTING and is_own_record(event.what):
            return found
        if self._occurs_in(details):
            found["details"] = "details"
        if self._occurs_in(what):
            found["what"] = "record"
        return found

    def names_of(self, event: StoredEvent | Record) -> Iterator[tuple[str, str]]:
        """E-mail, id and name of the event's actors that have the subject's e-mail or id: (field, text)."""
        who = _part(event, "who")
        actor = who.get("actor", {})
        for person in (actor, actor.get("on_behalf_of") or {}):
            if self._is_person(person):
                for field in ("email", "id", "name"):
                    if person.get(field):
                        yield field, str(person[field])

    def _role_in_who(self, who: dict[str, Any]) -> str:
        actor = who.get("actor", {})
        if self._is_person(actor) or self._is_person(actor.get("on_behalf_of") or {}) or self._occurs_in(actor):
            return "actor"
        return "context" if self._occurs_in(who) else ""

    def _is_person(self, person: dict[str, Any]) -> bool:
        email = str(person.get("email", ""))
        return (bool(self.subject.email) and fold(email) == fold(self.subject.email)) or self._is_person_id(
            person.get("id"), "user"
        )

    def _is_person_id(self, identity: object, kind: object) -> bool:
        return bool(self.subject.id) and identity == self.subject.id and str(kind).lower() in PEOPLE

    def _redact_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, dict):
            return {key: self._redact_value(inner) for key, inner in value.items()}
        return [self._redact_value(inner) for inner in value] if isinstance(value, list) else value

    def _occurs_in(self, value: Any) -> bool:
        if isinstance(value, str):
            return self.occurs_in(value)
        if isinstance(value, dict):
            return any(self.occurs_in(key) or self._occurs_in(inner) for key, inner in value.items())
        return isinstance(value, list) and any(map(self._occurs_in, value))


def _part(event: StoredEvent | Record, name: str) -> dict[str, Any]:
    return _object(getattr(event, name) or b"{}")


def _forms(text: str) -> list[str]:
    return list(dict.fromkeys((text, normalize("NFC", text), normalize("NFD", text))))


def _in_urls(text: str) -> list[str]:
    """The percent-encoded forms of the text that differ from it: saved views and recorded requests contain URLs."""
    return [form for form in dict.fromkeys((quote(text, safe=""), quote_plus(text), quote(text))) if form != text]


def _url_pattern(form: str) -> str:
    """A percent-encoded word: not preceded by a letter or digit, except one that ends an escape."""
    return rf"(?:(?<!\w)|(?<=%[0-9A-F][0-9A-F])){re.escape(form)}(?![\w-]|\.\w)"


def _email_pattern(email: str) -> str:
    """An e-mail address that is not part of a longer one; a full stop may follow."""
    return rf"(?:(?<!\w)(?<!\w[.+%'-])|{_ADDRESS_IN_URL}){re.escape(email)}(?![\w-]|\.\w)"


def _email_url_pattern(form: str) -> str:
    """A percent-encoded e-mail address that is not part of a longer one; there a plus is a space."""
    before = rf"(?<!\w)(?<!\w[.'-])|(?<={_MARK}[.'-])|{_ADDRESS_IN_URL}"
    return rf"(?:{before}){re.escape(form)}(?![\w-]|\.\w)"


def _word_pattern(word: str) -> str:
    if _UNSPACED.search(word):
        return re.escape(word)
    return rf"(?:(?<!\w)|(?<={_MARK})){re.escape(word)}(?!\w)"
