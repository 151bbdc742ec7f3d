"""Who can read `/metrics`: this machine, the networks that the operator names, and who sends the token."""

import httpx
import pytest

from tallystick.doctor.check_result import CheckGrade
from tallystick.doctor.environment import check_event_store
from tallystick.settings import Settings
from tests.api.api_client import problem
from tests.fixtures.servers import Server, Starter

TOKEN = "t" * 40


@pytest.fixture(scope="module")
def closed(start_server: Starter) -> Server:
    return start_server(TALLYSTICK_METRICS_NETWORKS="none", TALLYSTICK_METRICS_TOKEN=TOKEN)


@pytest.fixture(scope="module")
def proxied(start_server: Starter) -> Server:
    return start_server(TALLYSTICK_METRICS_NETWORKS="203.0.113.0/24", TALLYSTICK_TRUSTED_PROXIES="127.0.0.1/32")


def read(server: Server, **headers: str) -> httpx.Response:
    return httpx.get(f"{server.url}/metrics", headers=headers)


def test_by_default_this_machine_can_read_them(plain_server: Server):
    assert read(plain_server).status_code == 200


def test_by_default_who_comes_through_a_proxy_of_this_machine_cannot(plain_server: Server):
    problem(read(plain_server, **{"X-Forwarded-For": "203.0.113.9"}), 403, "metrics_closed")


@pytest.mark.parametrize("given", [None, "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer", "Bearer é"])
def test_where_they_are_closed_only_the_token_opens_them(closed: Server, given: str | None):
    assert read(closed, Authorization=f"Bearer {TOKEN}").status_code == 200
    problem(read(closed, **({"Authorization": given.encode("latin-1")} if given else {})), 403, "metrics_closed")


def test_without_a_token_of_the_operator_an_empty_one_opens_nothing(proxied: Server):
    problem(read(proxied, Authorization="Bearer"), 403, "metrics_closed")


def test_networks_are_those_of_the_client_behind_a_trusted_proxy(proxied: Server):
    assert read(proxied, **{"X-Forwarded-For": "203.0.113.9"}).status_code == 200
    problem(read(proxied, **{"X-Forwarded-For": "198.51.100.9"}), 403, "metrics_closed")
    problem(read(proxied, **{"X-Forwarded-For": "203.0.113.9, 198.51.100.9"}), 403, "metrics_closed")
    problem(read(proxied), 403, "metrics_closed")


def test_the_doctor_of_the_same_installation_reads_them_where_they_are_closed(closed: Server):
    (finding,) = check_event_store(Settings.load(closed.environ))
    assert finding.grade is CheckGrade.OK


def test_the_token_is_shown_nowhere(closed: Server):
    assert TOKEN not in repr(Settings.load(closed.environ))
    assert TOKEN not in closed.complete_log()
