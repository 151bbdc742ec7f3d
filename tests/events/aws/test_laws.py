"""Whatever a record holds, its event is recorded: no member of any type or length makes it refused."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tallystick.events.importers import cloudtrail
from tallystick.events.importers.shortened import shorten
from tests.events.sending import send

FIELDS = (
    "userIdentity", "eventName", "eventSource", "requestParameters", "responseElements", "additionalEventData",
    "serviceEventDetails", "errorCode", "errorMessage", "sourceIPAddress", "userAgent", "requestID", "eventID",
    "resources", "awsRegion", "recipientAccountId", "eventType", "insightDetails", "sharedEventID",
)  # fmt: skip
MEMBERS = (
    "userName", "id", "arn", "name", "items", "instancesSet", "errorCode", "failures", "content", "status",
    "resourceId", "bucketName", "policyArn", "type", "principalId", "sessionContext", "sessionIssuer", "onBehalfOf",
)  # fmt: skip
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
    st.sampled_from(["", "arn:aws:iam::1:user/x", "arn:aws:", "arn:aws:x:::::/", "Failure", "111122223333",
                     "i-0a1b2c3d", "*", "x" * 3000, "a@b.cd", "AROA:", "/"]),
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(TEXTS, st.none(), st.booleans(), st.integers(-5, 500)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(TEXTS, st.sampled_from(MEMBERS)), inner, max_size=5),
    ),
    max_leaves=20,
)
RECORDS = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, VALUES))


@given(RECORDS)
def test_every_record_becomes_an_event_that_is_recorded(record: dict[str, Any]) -> None:
    record["eventTime"] = "2024-01-15T14:30:45Z"
    event = shorten(cloudtrail.event_of_record(record), record)
    assert send(event)
    for earlier_form in cloudtrail.EARLIER_FORMS:
        assert earlier_form(event)["external_id"] == event["external_id"]
