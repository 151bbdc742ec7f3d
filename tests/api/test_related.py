"""The timeline around an event, over HTTP."""

import pytest

from tests.api.api_client import PATH, ApiClient, event, problem

CONTEXT = {"ip_address": "192.0.2.7", "session_id": "ses_1", "request_id": "req_1"}
SARAH = {"id": "usr_456", "email": "sarah@acme.com"}


def story(owner: str) -> list[dict[str, object]]:
    return [
        event(action, timestamp=f"2024-01-15T14:{minute}:00Z", actor=SARAH, context=CONTEXT, metadata={"of": owner})
        for minute, action in (("25", "user.login"), ("28", "project.file_updated"), ("30", "deployment.failed"))
    ]


@pytest.fixture(scope="module")
def alice(organization) -> ApiClient:
    made: ApiClient = organization()
    made.record(*story("alice"))
    return made


@pytest.fixture(scope="module")
def charlie(organization) -> ApiClient:
    made: ApiClient = organization()
    made.record(*story("charlie"))
    return made


def failed(asking: ApiClient) -> str:
    found: str = asking.page(action="deployment.failed")["data"][0]["id"]
    return found


def test_the_timeline_says_what_happened_around_an_event(alice):
    answer = alice.get(f"{PATH}/{failed(alice)}/related").json()
    assert [one["event"]["action"] for one in answer["data"]] == [
        "user.login", "project.file_updated", "deployment.failed",
    ]  # fmt: skip
    assert answer["data"][0]["by"] == ["actor", "session", "address", "request"]
    assert {one["by"]: one["value"] for one in answer["threads"]}["actor"] == "sarah@acme.com"
    assert (answer["more_before"], answer["more_after"], answer["partial"]) == (False, False, False)


def test_threads_span_and_limit_narrow_it(alice):
    path = f"{PATH}/{failed(alice)}/related"
    assert len(alice.get(path, before="3m").json()["data"]) == 2
    nearest = alice.get(path, limit=1).json()
    assert [one["event"]["action"] for one in nearest["data"]] == ["project.file_updated", "deployment.failed"]
    assert nearest["more_before"] is True
    assert alice.get(path, by=["session", "request"]).json()["data"][0]["by"] == ["session", "request"]


@pytest.mark.parametrize(
    "parameters",
    [{"by": "friends"}, {"by": ""}, {"before": ""}, {"before": "1y"}, {"after": "401d"}, {"limit": 0}, {"limit": 201}],
)
def test_a_parameter_that_cannot_be_is_named(alice, parameters):
    answer = alice.get(f"{PATH}/{failed(alice)}/related", **parameters)
    assert problem(answer, 400, "bad_parameter")["parameter"] == next(iter(parameters))


def test_an_unknown_parameter_is_refused(alice):
    problem(alice.get(f"{PATH}/{failed(alice)}/related", user="sarah@acme.com"), 400, "unknown_parameter")


def test_charlie_gets_nothing_around_anothers_event_nor_in_the_own_timeline(alice, charlie):
    for event_id in (failed(alice), "evt_00000000000000000000000000", "nonsense"):
        problem(charlie.get(f"{PATH}/{event_id}/related"), 404, "no_event")
    own = charlie.get(f"{PATH}/{failed(charlie)}/related", before="400d", after="400d", limit=200)
    assert {one["event"]["metadata"]["of"] for one in own.json()["data"]} == {"charlie"}
