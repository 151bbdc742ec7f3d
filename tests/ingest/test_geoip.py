"""Files of countries and networks, read with the real library."""

import pytest

from tallystick.clock import now_us
from tallystick.errors import SettingsError
from tallystick.events.geoip import UNKNOWN, AddressFacts
from tallystick.events.output import event_of
from tallystick.ingest.geoip import GeoIP
from tallystick.outbox import write as outbox
from tallystick.query.conditions import Query
from tallystick.search.grammar import parse
from tests.fixtures.mmdb import write_mmdb

GERMANY, FRANCE = {"country": {"iso_code": "DE"}}, {"country": {"iso_code": "FR"}}
TELEKOM = {"autonomous_system_number": 3320, "autonomous_system_organization": "Deutsche Telekom AG"}


@pytest.fixture
def file(tmp_path):
    networks = {"203.0.113.0/24": GERMANY, "203.0.113.128/25": FRANCE, "2001:db8::/32": FRANCE}
    return write_mmdb(tmp_path / "country.mmdb", networks)


def opened(*paths) -> GeoIP:
    geoip = GeoIP(paths)
    geoip.open()
    return geoip


def replace(path, networks):
    """As a download does: a new file takes the name."""
    write_mmdb(path.with_suffix(".new"), networks).replace(path)


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("203.0.113.9", "DE"), ("203.0.113.200", "FR"), ("::ffff:203.0.113.9", "DE"), ("2001:db8::1", "FR"),
        ("2001:DB8:0::1", "FR"), ("198.51.100.1", ""), ("10.0.0.1", ""), ("127.0.0.1", ""), ("::1", ""),
        ("fe80::1", ""), ("::ffff:10.0.0.1", ""), ("0.0.0.0", ""),
    ],
)  # fmt: skip
def test_an_address_is_in_the_smallest_network_that_has_it(file, address, country):
    assert opened(file).find(address) == AddressFacts(country)


def test_the_operators_own_file_can_name_private_networks(tmp_path):
    file = write_mmdb(tmp_path / "own.mmdb", {"10.0.0.0/8": {"country": "DE", "as_name": "Office"}})
    assert opened(file).find("10.1.2.3") == AddressFacts("DE", "Office")


def test_a_file_of_ipv4_knows_no_ipv6_address(tmp_path):
    geoip = opened(write_mmdb(tmp_path / "four.mmdb", {"203.0.113.0/24": GERMANY}, version=4))
    assert [geoip.find(address).country for address in ("203.0.113.9", "2001:db8::1")] == ["DE", ""]


def test_country_and_network_can_come_from_two_files(file, tmp_path):
    networks = write_mmdb(tmp_path / "asn.mmdb", {"203.0.113.0/24": TELEKOM}, kind="GeoLite2-ASN")
    assert opened(file, networks).find("203.0.113.9") == AddressFacts("DE", "AS3320 Deutsche Telekom AG")


def test_without_a_file_nothing_is_looked_up():
    assert (opened().find_address, opened().find("203.0.113.9")) == (None, UNKNOWN)


@pytest.mark.parametrize("content", [None, b"", b"not a database", b"\0" * 4096])
def test_the_start_is_refused_for_a_file_that_cannot_be_used(tmp_path, content):
    path = tmp_path / "country.mmdb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"TALLYSTICK_GEOIP: .*country\.mmdb .*(Download|Give the path)"):
        opened(path)


def test_a_replaced_file_is_opened_again(file):
    geoip = opened(file)
    assert geoip.find("203.0.113.9").country == "DE"
    replace(file, {"203.0.113.0/24": FRANCE})
    geoip.step()
    assert geoip.find("203.0.113.9").country == "FR"


@pytest.mark.parametrize("content", [b"", b"half of a downl"])
def test_a_broken_file_changes_nothing_until_a_whole_one_takes_its_place(file, content):
    geoip = opened(file)
    file.write_bytes(content)  # over the one that is in use
    geoip.step()
    assert geoip.find("203.0.113.9").country == "DE"
    write_mmdb(file, {"203.0.113.0/24": FRANCE})
    geoip.step()
    assert geoip.find("203.0.113.9").country == "FR"


def test_a_file_that_goes_away_changes_nothing(file):
    geoip = opened(file)
    file.unlink()
    geoip.step()
    assert geoip.find("203.0.113.9").country == "DE"


def test_a_damaged_record_is_as_if_there_were_none(tmp_path):
    file = write_mmdb(tmp_path / "country.mmdb", {"203.0.113.0/24": GERMANY, "198.51.100.0/24": FRANCE})
    content = file.read_bytes()
    place = content.index(b"\x47country") + 8
    file.write_bytes(content[:place] + b"\x3f" + content[place + 1 :])  # a pointer far beyond the end
    geoip = opened(file)
    assert [geoip.find(address).country for address in ("203.0.113.9", "198.51.100.1")] == ["", "FR"]


def test_a_retry_after_the_file_changed_is_a_duplicate_without_conflict(spine):
    scope = spine.organization()
    event = {
        "action": "user.login", "external_id": "a", "timestamp": "2024-01-15T14:30:45Z",
        "context": {"ip_address": "203.0.113.9"},
    }  # fmt: skip
    spine.places["203.0.113.9"] = AddressFacts("DE")
    spine.record(scope, event)
    spine.places["203.0.113.9"] = AddressFacts("FR", "AS64496 Other")
    [again] = spine.record(scope, event).events
    assert (again.duplicate, again.conflict) == (True, False)


def test_what_was_filled_in_is_found_by_its_qualifiers(spine):
    scope = spine.organization()
    spine.places["203.0.113.9"] = AddressFacts("DE", "AS3320 Deutsche Telekom AG")
    for address in ("203.0.113.9", "198.51.100.1"):
        spine.record(scope, {"action": "user.login", "context": {"ip_address": address}})
    spine.ship()
    query = Query(parse('country:de network:"as3320 deutsche telekom ag"', now=now_us()))
    page = spine.finder.page(scope, query, limit=10)
    assert [event_of(one)["context"]["ip_address"] for one in page.data] == ["203.0.113.9"]


def test_tallysticks_own_events_get_it_too(spine):
    scope = spine.organization()
    spine.places["203.0.113.9"] = AddressFacts("DE")
    with spine.database.write() as connection:
        event = {"action": "user.login", "context": {"ip_address": "203.0.113.9"}}
        outbox.write(connection, scope.org_id, event, now=now_us())
    spine.sequencer.tick([])
    spine.ship()
    page = spine.finder.page(scope, Query(parse("country:DE", now=now_us())), limit=10)
    assert [event_of(one)["enriched"] for one in page.data] == [["context.country"]]
