"""An id that was pasted into the search finds its events, wherever a search is asked."""

import pytest

from tests.api.api_client import PATH, event

IDS = {
    "external_id": "ci-4711",
    "request_id": "Req_AbC7",
    "session_id": "ses_9f1",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "agent_session_id": "ags:77",
}


@pytest.fixture(scope="module")
def trail(organization):
    made = organization()
    context = {name: value for name, value in IDS.items() if name != "external_id"}
    client = {"user_agent": "Mozilla/5.0 (X11; Linux) Firefox/128.0", "source": "billing-7"}
    made.record(
        event("user.login", external_id=IDS["external_id"], context=context | client),
        event("user.login", external_id="ci-47110", context={"request_id": "xReq_AbC7"}),
    )
    return made


@pytest.mark.parametrize("pasted", [*IDS.values(), "REQ_ABC7", '"ses_9f1"', "billing-7", "Firefox/128.0"])
def test_a_pasted_id_finds_its_event(trail, pasted):
    shown = trail.get(q=pasted, count="exact").json()
    assert [one["external_id"] for one in shown["data"]] == ["ci-4711"]
    assert (shown["total"], shown["total_relation"]) == (1, "exact")
    others = trail.get(q=f"action:user.login -{pasted}").json()["data"]
    assert [one["external_id"] for one in others] == ["ci-47110"]


@pytest.mark.parametrize("pasted", IDS.values())
def test_counts_know_pasted_ids_too(trail, pasted):
    bars = trail.get(f"{PATH}/histogram", q=pasted).json()["buckets"]
    assert sum(one["success"] for one in bars) == 1
    values = trail.get(f"{PATH}/facets", q=pasted, field="action").json()["values"]
    assert values == [{"value": "user.login", "count": 1}]


def test_a_pasted_event_id_finds_its_event(trail):
    (shown,) = trail.get(q="ci-4711").json()["data"]
    assert [one["id"] for one in trail.get(q=shown["id"]).json()["data"]] == [shown["id"]]
    assert trail.get(q=shown["id"][:-1]).json()["data"] == []


def test_an_id_is_found_once_it_is_recorded_though_it_was_asked_for_before(organization):
    made = organization()
    assert made.get(q="later-77").json()["data"] == []
    made.record(event("user.login", external_id="later-77"))
    assert len(made.get(q="later-77").json()["data"]) == 1


def test_ids_of_another_organization_find_nothing(trail, organization):
    assert organization().get(q="ci-4711").json()["data"] == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"user": "ana vpn@acme.com"}, 1),
        ({"user": "ana+vpn@acme.com"}, 1),
        ({"q": "user:ana+vpn@acme.com"}, 1),
        ({"q": "ana+vpn@acme.com"}, 1),
        ({"user": "ana  vpn@acme.com"}, 0),
    ],
)
def test_a_plus_that_was_not_encoded_is_understood(organization, asked, found):
    made = organization()
    made.record(event("user.login", actor={"type": "user", "email": "ana+vpn@acme.com"}))
    assert len(made.get(**asked).json()["data"]) == found
