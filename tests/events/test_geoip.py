"""Country and network that the server fills in at recording."""

import json

import msgspec
import pytest

from tallystick.events.geoip import LONGEST, UNKNOWN, AddressFacts, facts_of
from tallystick.events.intake import MAX_EVENT, read_request
from tallystick.events.output import event_of
from tallystick.events.prepared import Prepared
from tallystick.events.record import StoredEvent
from tests.events.sending import JSON, KEY, NOW, REDACTED

GERMAN = AddressFacts("DE", "AS3320 Deutsche Telekom AG")
API_KEY = "tsk_" + "0" * 30 + "2C8GjS"  # with the right check digits


def send(context, facts=GERMAN, **fields) -> Prepared:
    body = msgspec.json.encode({"action": "user.login", "context": context} | fields)
    [prepared] = read_request(
        body, JSON, received_at=NOW, recorded_by=KEY, redacted_keys=REDACTED, find_address=lambda _address: facts
    )
    return prepared


def event(prepared: Prepared):
    one = prepared.record
    return event_of(
        StoredEvent(0, one.id, one.received_at, one.occurred_at, one.what, one.target, one.who, one.details)
    )


@pytest.mark.parametrize(
    ("record", "facts"),
    [
        ({"country": {"iso_code": "DE", "geoname_id": 2921044, "names": {"en": "Germany"}}}, ("DE", "")),
        (
            {"autonomous_system_number": 3320, "autonomous_system_organization": "Deutsche Telekom AG"},
            ("", "AS3320 Deutsche Telekom AG"),
        ),
        (
            {"country": {"iso_code": "US"}, "traits": {"autonomous_system_number": 15169}},
            ("US", "AS15169"),
        ),
        ({"country": "Germany", "country_code": "DE", "asn": "AS3320", "as_name": "DTAG"}, ("DE", "AS3320 DTAG")),
        ({"country": "DE", "country_name": "Germany", "asn": "AS3320", "as_name": "DTAG"}, ("DE", "AS3320 DTAG")),
        ({"country_code": "de", "asn": 3320, "org": "DTAG"}, ("DE", "AS3320 DTAG")),
        ({"registered_country": {"iso_code": "DE"}}, ("", "")),
    ],
    ids=["MaxMind country", "MaxMind ASN", "MaxMind traits", "IPinfo", "IPinfo before", "IPLocate", "registered only"],
)
def test_the_records_of_each_schema_are_read(record, facts):
    assert facts_of(record) == AddressFacts(*facts)


@pytest.mark.parametrize(
    "record",
    [
        None, "DE", ["DE"], {}, {"country": {"iso_code": "DEU"}}, {"country": {"iso_code": 49}}, {"country": "Germany"},
        {"country": {"iso_code": "D\0"}}, {"as_name": "A\0B"}, {"as_name": "x" * (LONGEST + 1)}, {"asn": True},
        {"asn": -1}, {"asn": {"number": 1}}, {"country": {"iso_code": {"de": "DE"}}}, {"country_code": "ÄÖ"},
    ],
)  # fmt: skip
def test_what_a_sender_could_not_give_is_left_out(record):
    assert facts_of(record) == UNKNOWN


def test_what_the_sender_did_not_give_is_filled_in_and_named():
    found = event(send({"ip_address": "203.0.113.9"}))
    assert found["context"] == {"ip_address": "203.0.113.9", "country": "DE", "network": "AS3320 Deutsche Telekom AG"}
    assert found["enriched"] == ["context.country", "context.network"]


def test_what_was_filled_in_stands_in_the_part_who():
    who = json.loads(send({"ip_address": "203.0.113.9"}).record.who)
    assert (who["context"]["country"], who["enriched"]) == ("DE", ["context.country", "context.network"])


def test_the_columns_have_what_was_filled_in():
    record = send({"ip_address": "203.0.113.9"}).record
    assert (record.country, record.network) == GERMAN


def test_what_the_sender_gave_stays():
    found = event(send({"ip_address": "203.0.113.9", "country": "fr"}))
    assert (found["context"]["country"], found["enriched"]) == ("FR", ["context.network"])


def test_nothing_is_named_where_the_sender_gave_both():
    found = event(send({"ip_address": "203.0.113.9", "country": "FR", "network": "office"}))
    assert "enriched" not in found


@pytest.mark.parametrize("context", [None, {}, {"source": "ci"}])
def test_an_event_without_an_address_gets_nothing(context):
    assert "enriched" not in event(send(context))


def test_an_unknown_address_gets_nothing():
    assert "enriched" not in event(send({"ip_address": "192.168.0.1"}, UNKNOWN))


@pytest.mark.parametrize("country", ["DE", ""])
def test_the_digest_of_an_external_id_does_not_depend_on_what_was_filled_in(country):
    context = {"ip_address": "203.0.113.9"}
    filled = send(context, AddressFacts(country), external_id="x", timestamp="2024-01-15T14:30:45Z")
    plain = send(context, UNKNOWN, external_id="x", timestamp="2024-01-15T14:30:45Z")
    assert filled.digest == plain.digest


def test_the_digest_is_of_what_was_sent_in_an_event_with_an_api_key_too():
    fields = {"description": f"key {API_KEY}", "external_id": "x", "timestamp": "2024-01-15T14:30:45Z"}
    filled = send({"ip_address": "203.0.113.9"}, **fields)
    assert filled.digest == send({"ip_address": "203.0.113.9"}, UNKNOWN, **fields).digest
    assert event(filled)["enriched"] == ["context.country", "context.network"]


def test_an_event_of_the_greatest_size_is_recorded_without_it():
    spare = MAX_EVENT - send({"ip_address": "203.0.113.9"}, UNKNOWN, metadata={"text": ""}).record.parts_size
    found = event(send({"ip_address": "203.0.113.9"}, metadata={"text": "x" * spare}))
    assert ("enriched" in found, len(found["metadata"]["text"])) == (False, spare)
