"""Secrets: shown once, known by their hash."""

from dataclasses import dataclass

from tallystick.access.secret import Secret, is_token, new_token


@dataclass
class Holder:
    token: Secret


def test_repr_shows_no_secret_not_even_within_another_value():
    assert "hunter2" not in repr(Holder(Secret("hunter2"))) + f"{[Secret('hunter2')]!r}"


def test_a_secret_is_still_its_text():
    assert f"{Secret('hunter2')}" == "hunter2"


def test_two_tokens_differ_and_have_the_form_of_one():
    first, second = new_token(), new_token()
    assert first != second
    assert is_token(first)


def test_other_text_has_not_the_form():
    assert [is_token(text) for text in ("", "x" * 42, "x" * 44, "é" * 43)] == [False] * 4
