"""What organizations, people and keys may be called."""

import pytest

from tallystick.access import names
from tallystick.errors import BadRequest


@pytest.mark.parametrize("text", ["a", "acme", "acme-2", "0x", "a" * 40])
def test_a_slug_is_kept_as_it_is(text):
    assert names.slug(text) == text


@pytest.mark.parametrize(
    "text", ["", "Acme", "-acme", "acme-", "ac me", "a" * 41, "äcme", "a_b", "a/b", "a\n", "org.x"]
)
def test_a_slug_that_would_not_fit_an_address_or_a_command_is_refused(text):
    with pytest.raises(BadRequest) as refusal:
        names.slug(text)
    assert (refusal.value.code, refusal.value.extra) == ("bad_slug", {"field": "slug"})


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("sarah@acme.com", "sarah@acme.com"),
        ("  Sarah.Lin+audit@ACME.com\n", "sarah.lin+audit@acme.com"),
        ("o'brien@mail.example.co.uk", "o'brien@mail.example.co.uk"),
        ("admin@localhost", "admin@localhost"),
        ("x@xn--mnchen-3ya.de", "x@xn--mnchen-3ya.de"),
    ],
)
def test_an_address_is_kept_in_one_form(typed, kept):
    assert names.email(typed) == kept


@pytest.mark.parametrize(
    "text",
    [
        "", "sarah", "@acme.com", "sarah@", "sa rah@acme.com", "a@b@c", ".a@b.c", "a..b@c.d", "a@-b.c", "a@b..c",
        "*@acme.com", "s*h@acme.com", "sarah@*.com", '"a b"@c.d', "müller@acme.com", "\N{KELVIN SIGN}im@acme.com",
        "a@b.c\0", "a" * 65 + "@b.c", "a@" + "b" * 64 + ".c", f"a@{'b.' * 127}c", "a@b.c\nbcc: d@e.f",
        "=?a@b.c", "a=?=@b.c",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_told_apart_or_is_none_is_refused(text):
    with pytest.raises(BadRequest) as refusal:
        names.email(text)
    assert refusal.value.code == "bad_email"


@pytest.mark.parametrize("text", ["Sarah Lin", "Łukasz", "محمد", "李小龙", "नि\u200dया", "👩\u200d🚀", "x" * 100])
def test_a_name_may_be_of_any_script(text):
    assert names.name(text) == text


@pytest.mark.parametrize("text", ["", "  ", "x" * 101, "a\0b", "a\nb", "\x1b[31mred", "a\u202eb", "\ud800", "a\u2028b"])
def test_a_name_that_cannot_be_shown_as_it_is_is_refused(text):
    with pytest.raises(BadRequest) as refusal:
        names.name(text, "organization")
    assert (refusal.value.code, refusal.value.extra) == ("bad_name", {"field": "organization"})
