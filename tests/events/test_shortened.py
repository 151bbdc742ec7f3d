"""A record that is too large is shortened at its longest values, says so, and keeps the hash of the whole."""

import hashlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.events.importers.shortened import MOST_BYTES, shorten
from tests.events.sending import send

EVENT = {"action": "iam.put_role_policy", "timestamp": "2024-01-15T14:30:45Z", "external_id": "1"}


def shortened(**details):
    original = {"record": details}
    event = shorten(EVENT | details, original)
    assert len(msgspec.json.encode(event)) <= MOST_BYTES
    assert send(event)
    return event, hashlib.sha256(json.dumps(original, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def test_an_event_that_fits_is_the_same():
    event = EVENT | {"request": {"policyDocument": "x" * 50_000}}
    assert shorten(event, {}) is event


def test_a_policy_of_a_megabyte_is_cut_and_the_other_values_stay():
    request = {"roleName": "ci", "policyName": "all", "policyDocument": "x" * 1_000_000}
    event, whole = shortened(request=request, metadata={"event_name": "PutRolePolicy"})
    assert event["request"]["roleName"] == "ci"
    assert event["request"]["policyDocument"].startswith("x" * 1000)
    assert event["request"]["policyDocument"].endswith("… [1,000,000 characters]")
    noted = event["metadata"]["shortened"]
    assert (noted["sha256"], noted["values"]) == (whole, ["request.policyDocument"])
    assert noted["bytes"] > 1_000_000
    assert event["metadata"]["event_name"] == "PutRolePolicy"


@pytest.mark.parametrize(
    "details",
    [
        {"request": {"list": [{"instanceId": f"i-{n}", "state": "x" * 20} for n in range(5000)]}},
        {"response": {f"key{n}": "x" * 50 for n in range(5000)}},
        {"response": {"deep": json.loads('{"a":' * 100 + "1" + "}" * 100)}},
        {"metadata": {"a" * 900: {"b" * 900: list(range(3000))}}},
        {"metadata": {"x" * 100_000: 1}},
        {"request": {"a": ["é" * 40_000, "\U0001f600" * 20_000]}},
    ],
    ids=["list", "keys", "depth", "paths", "key", "wide"],
)  # fmt: skip
def test_every_kind_of_too_much_is_shortened_so_that_it_is_recorded(details):
    event, whole = shortened(**details)
    assert event["metadata"]["shortened"]["sha256"] == whole


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
        st.recursive(
            st.one_of(st.integers(-(2**53), 2**53), st.booleans(), st.none(), st.text("abé"), st.just("x" * 30_000)),
            lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.text("ab"), inner, max_size=5)),
            max_leaves=30,
        ),
        max_size=5,
    )
)
def test_whatever_a_record_holds_its_event_is_recorded(details):
    shortened(request=details, metadata={"event_name": "X"})
