"""Which texts count as a person, and where."""

from unicodedata import normalize
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.erasure.subject import Subject, SubjectMatcher, validate_subject
from tallystick.errors import BadRequest
from tallystick.events.incoming import Actor, EventInput, Resource
from tallystick.events.intake import prepare
from tallystick.events.record import Record
from tallystick.query.case_folding import fold
from tallystick.query.scope import Principal

SARAH = SubjectMatcher(Subject("sarah@acme.com"))


def record(**more: object) -> Record:
    event = EventInput("project.updated", **({"actor": Actor("user", "usr_1")} | more))  # type: ignore[arg-type]
    by = Principal("api_key", "key_1", "ci")
    return prepare([event], received_at=1_705_329_045_120_000, recorded_by=by, redacted_keys=frozenset())[0].record


@pytest.mark.parametrize(
    "text",
    [
        "sarah@acme.com", "SARAH@Acme.com.", "<sarah@acme.com>", "to:sarah@acme.com,x", "...sarah@acme.com",
        "- sarah@acme.com", "user=sarah%40acme.com&x", "?q=by%20sarah%40acme.com",
        "q=user%3Asarah%40acme.com", "q=user%3Asarah@acme.com", "q=%27sarah%40acme.com%27", "q=login+sarah%40acme.com",
        "q=user%3A%27sarah%40acme.com%27", "q=by%20-sarah%40acme.com",
        "q=failed%09sarah%40acme.com", "q=failed%0D%0Asarah@acme.com",
    ],
)  # fmt: skip
def test_an_address_is_found_as_it_stands_in_a_text(text: str) -> None:
    assert SARAH.occurs_in(text)
    assert "sarah" not in SARAH.redact(text).lower()


@pytest.mark.parametrize(
    "text",
    [
        "notsarah@acme.com", "x.sarah@acme.com", "x-sarah@acme.com", "sarah@acme.com.au", "sarah@acme.community",
        "q=x.sarah%40acme.com", "q=user%3Ax-sarah%40acme.com", "q=x%2Bsarah%40acme.com", "q=o%27sarah%40acme.com",
        "q=xsarah%40acme.com", "q=sarah%40acme.com.au", "q=x%2Esarah@acme.com",
    ],
)  # fmt: skip
def test_a_longer_address_is_somebody_elses(text: str) -> None:
    assert not SARAH.occurs_in(text)
    assert SARAH.redact(text) == text


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("given_as", ["NFC", "NFD"])
def test_a_name_is_found_in_both_forms_of_unicode(form: str, given_as: str) -> None:
    texts = SubjectMatcher(Subject("a@b.c", also=(normalize(given_as, "Zoë Krämer"),)))
    assert texts.redact(normalize(form, "by ZOË KRÄMER.")) == "by [erased]."
    for encoded in (quote(normalize(form, "Zoë Krämer")), quote_plus(normalize(form, "Zoë Krämer"))):
        assert texts.redact(f"q={encoded}&x") == "q=[erased]&x"
    assert not texts.occurs_in("Zoë Krämers")


def test_in_a_script_without_spaces_a_name_counts_wherever_it_stands() -> None:
    assert SubjectMatcher(Subject("a@b.c", also=("田中太郎",))).occurs_in("昨日田中太郎さんが")


@pytest.mark.parametrize(
    ("event", "kinds"),
    [
        ({"actor": Actor("user", "42")}, {"who": "actor"}),
        ({"resource": Resource("user", "42")}, {"target": "resource"}),
        ({"resource": Resource("project", "42")}, {}),
        ({"changes": {"size": "42"}}, {}),
        ({"description": "42 of them"}, {}),
    ],
)
def test_a_short_id_counts_only_where_it_is_a_persons(event: dict[str, object], kinds: dict[str, str]) -> None:
    assert SubjectMatcher(Subject(id="42")).roles_in(record(**event)) == kinds


def test_a_long_id_counts_everywhere_as_a_word() -> None:
    texts = SubjectMatcher(Subject(id="usr_456"))
    assert texts.roles_in(record(changes={"owner": ["usr_456"]}, request={"usr_4567": 1})) == {"details": "details"}
    assert texts.roles_in(record(changes={"owner": "usr_4567"})) == {}


def test_an_id_or_a_name_is_found_behind_the_escape_of_a_mark() -> None:
    """As in the search of a saved view: the colon before it ends with a letter there."""
    texts = SubjectMatcher(Subject(id="usr_456", also=("Miller",)))
    assert texts.redact("q=user%3Ausr_456&actor=%22Miller%22") == "q=user%3A[erased]&actor=%22[erased]%22"
    assert not texts.occurs_in("q=user%3Ausr_4567&x=%5FMiller")


@pytest.mark.parametrize("said", ["failed\tsarah@acme.com", "failed\nsarah@acme.com", 'by "Al \\ "Capone"" too'])
def test_in_json_what_is_escaped_counts_as_what_it_stands_for(said: str) -> None:
    texts = SubjectMatcher(Subject("sarah@acme.com", also=('Al \\ "Capone"',)))
    left = msgspec.json.decode(texts.redact_json(msgspec.json.encode({"q": [said], "tz": ["UTC"]}).decode()))
    assert "[erased]" in left["q"][0]
    assert not texts.occurs_in(left["q"][0])
    assert texts.redact_json('{"q": ["x"] }') == '{"q": ["x"] }', "what says nothing of the person stays as it is"


@given(st.text(min_size=3, max_size=20).filter(lambda text: text.strip() == text and text.isprintable()), st.text())
def test_whatever_is_found_in_a_part_one_of_the_needles_stands_in_it(text: str, before: str) -> None:
    """The event store looks for needles alone; what it does not give is never judged."""
    texts = SubjectMatcher(Subject("a@b.c", also=(text,)))
    said = before.replace("\0", "").encode("utf-8", "ignore").decode() + " " + text
    held = record(metadata={"said": said})
    if texts.occurs_in(text):
        assert any(needle in fold(held.details.decode()) for needle in texts.needles)


@pytest.mark.parametrize(
    "subject",
    [
        Subject(), Subject("no address"), Subject("a@b.c", also=("ab",)), Subject("a@b.c", also=("x" * 321,)),
        Subject("a@b.c", also=("a\nb",)), Subject("a@b.c", also=tuple(f"name {n}" for n in range(21))),
    ],
)  # fmt: skip
def test_a_subject_that_says_too_little_or_too_much_is_refused(subject: Subject) -> None:
    with pytest.raises(BadRequest):
        validate_subject(subject)
