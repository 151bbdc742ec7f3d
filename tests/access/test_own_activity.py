"""The filter of a member: exactly what it did itself, by any search."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.access import names
from tallystick.errors import BadRequest
from tallystick.events.incoming import EventInput
from tallystick.events.intake import prepare
from tallystick.query.case_folding import fold
from tallystick.query.conditions import And, Query
from tallystick.query.scope import Principal
from tallystick.search.match import compile_match
from tests.access.town import NOW


def record(**actor):
    event = msgspec.convert({"action": "project.updated", "actor": {"type": "user", **actor}}, EventInput)
    by = Principal("api_key", "key_1", "ci")
    return prepare([event], received_at=NOW, recorded_by=by, redacted_keys=frozenset())[0].record


def sees(scope, event):
    return compile_match(Query(And((scope.mandatory, Query().condition))))(event)


def test_a_member_sees_what_it_did_by_address_in_any_case(small_town):
    assert sees(small_town.scope(small_town.bob), record(email="Bob@Acme.COM"))


def test_a_member_sees_what_it_did_by_its_id(small_town):
    assert sees(small_town.scope(small_town.bob), record(id=small_town.bob.principal.id))


@pytest.mark.parametrize(
    "actor",
    [
        {"email": "alice@acme.com"},
        {"email": "bob@acme.com.evil.org"},
        {"email": "xbob@acme.com"},
        {"email": "bob@acme"},
        {"name": "bob"},
        {"name": "*"},
        {"id": "usr_*"},
    ],
)
def test_a_member_does_not_see_what_others_did(small_town, actor):
    assert not sees(small_town.scope(small_town.bob), record(**actor))


@given(st.text(alphabet="*aAkKiI.+@\N{KELVIN SIGN}İıſςΣßＡ", max_size=8).map(lambda text: text + "@acme.com"))
def test_no_account_has_an_address_that_is_a_wildcard_or_folds_to_another(text):
    try:
        kept = names.email(text)
    except BadRequest:
        return
    assert "*" not in kept
    assert fold(kept) == kept
