"""Passwords: the rules, and that a check gives nothing away."""

import pytest

from tallystick.access import passwords
from tallystick.access.passwords import hash_password, needs_rehash, rehash_password, verify_password
from tallystick.errors import BadRequest
from tests.access.town import CHEAP, PASSWORD


def test_a_password_is_known_again_and_no_other_is():
    kept = hash_password(PASSWORD)
    assert verify_password(kept, PASSWORD)
    assert not verify_password(kept, PASSWORD + " ")
    assert not verify_password(kept, PASSWORD.upper())


def test_a_hash_is_argon2id_and_holds_no_password():
    kept = hash_password(PASSWORD)
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PASSWORD not in kept


@pytest.mark.parametrize(
    "password",
    ["", "x" * 11, "é" * 11, "x" * 1025, "é" * 513, "twelve\0letters", "\ud800" + "x" * 12],
    ids=["empty", "11", "11 in 22 bytes", "1025 bytes", "513 in 1026 bytes", "NUL", "lone surrogate"],
)
def test_a_password_that_breaks_a_rule_is_refused(password):
    with pytest.raises(BadRequest) as refusal:
        hash_password(password)
    assert refusal.value.code == "weak_password"


def test_a_long_password_counts_to_its_last_byte():
    longest = "x" * 1024
    kept = hash_password(longest)
    assert verify_password(kept, longest)
    assert not verify_password(kept, longest[:-1] + "y")


def test_the_same_letters_typed_otherwise_are_the_same_password():
    kept = hash_password("Zürich-Zürich-１２")
    assert verify_password(kept, "Zu\u0308rich-Zu\u0308rich-12")


@pytest.mark.parametrize("password", [PASSWORD, "", "\0", "\ud800", "x" * 100_000])
def test_nobody_has_a_password(password):
    assert not verify_password(None, password)


@pytest.mark.parametrize("password", ["", "\0", "\ud800", "x" * 100_000])
def test_text_that_can_be_no_password_is_wrong_and_no_error(password):
    assert not verify_password(CHEAP, password)


def test_what_nobody_is_checked_against_costs_what_a_real_check_costs():
    assert not needs_rehash(passwords._NOBODY)


def test_a_hash_with_earlier_parameters_is_outdated_and_renewed():
    assert needs_rehash(CHEAP)
    renewed = rehash_password(PASSWORD)
    assert not needs_rehash(renewed)
    assert verify_password(renewed, PASSWORD)
