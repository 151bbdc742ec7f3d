"""A proxy that the operator did not name is noticed: in the log, and by `tallystick doctor`."""

from dataclasses import replace
from ipaddress import ip_network

import httpx
import pytest
import structlog

from tallystick.doctor.check_result import CheckGrade
from tallystick.doctor.environment import check_proxies
from tallystick.http.unknown_proxies import FILE, MOST, NOTED_SECONDS, SHOWN_SECONDS, UnknownProxies, recent_peers
from tallystick.settings import Settings
from tests.fixtures.servers import Server


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def notes(proxies: UnknownProxies, *peers: str) -> int:
    """How many lines the log has after these peers sent the header."""
    with structlog.testing.capture_logs() as lines:
        for peer in peers:
            proxies.note(peer)
    return len(lines)


def test_a_peer_is_noted_once_an_hour(tmp_path, clock):
    proxies = UnknownProxies(tmp_path, clock)
    assert notes(proxies, "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1") == 2
    clock.now += NOTED_SECONDS
    assert notes(proxies, "192.0.2.1", "192.0.2.1") == 1


def test_strangers_who_write_the_header_fill_neither_memory_nor_log_nor_disk(tmp_path, clock):
    proxies = UnknownProxies(tmp_path, clock)
    peers = [f"192.0.{number // 250}.{number % 250}" for number in range(10 * MOST)]
    assert notes(proxies, *peers) == MOST
    assert len(recent_peers(tmp_path, clock.now)) == MOST
    clock.now += NOTED_SECONDS
    assert notes(proxies, "198.51.100.1") == 1
    assert "198.51.100.1" in recent_peers(tmp_path, clock.now)


def test_what_was_noted_outlives_the_server_and_is_forgotten_after_a_day(tmp_path, clock):
    UnknownProxies(tmp_path, clock).note("192.0.2.1")
    UnknownProxies(tmp_path, clock).note("192.0.2.2")
    assert sorted(recent_peers(tmp_path, clock.now)) == ["192.0.2.1", "192.0.2.2"]
    assert recent_peers(tmp_path, clock.now + SHOWN_SECONDS) == {}


def test_a_file_that_cannot_be_read_is_none(tmp_path, clock):
    (tmp_path / FILE).write_text("{oops")
    assert recent_peers(tmp_path, clock.now) == {}
    assert notes(UnknownProxies(tmp_path, clock), "192.0.2.1") == 1


def test_the_doctor_names_the_peer_until_it_is_trusted(server: Server):
    settings = Settings.load(server.environ)
    assert [one.grade for one in check_proxies(settings)] == [CheckGrade.OK]
    assert httpx.get(f"{server.url}/healthz", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 200
    (finding,) = check_proxies(settings)
    assert finding.grade is CheckGrade.WARNING
    assert "127.0.0.1" in finding.words
    assert "TALLYSTICK_TRUSTED_PROXIES" in finding.advice
    trusting = replace(settings, trusted_proxies=(ip_network("127.0.0.0/8"),))
    assert [one.grade for one in check_proxies(trusting)] == [CheckGrade.OK]
    assert server.complete_log().count("unknown_proxy") == 1
