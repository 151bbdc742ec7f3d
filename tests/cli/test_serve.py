"""`tallystick serve`: starting, stopping, and what stands in its way."""

import re

import httpx

from tests.fixtures.network import find_free_port
from tests.fixtures.servers import Server, Starter


def test_a_first_start_prints_a_link_for_the_first_owner(start_server: Starter) -> None:
    server = start_server()
    link = re.search(r"http://127\.0\.0\.1:\d+/set-up/\S+", server.log.read_text())
    assert link is not None
    assert httpx.get(link[0]).status_code == 200


def test_a_server_with_an_organization_prints_no_link(start_server: Starter) -> None:
    server = start_server()
    server.organization("acme")
    server.stop()
    server.log.write_text("")
    server.start()
    assert f"listens on {server.url}" in server.log.read_text()
    assert "set-up" not in server.log.read_text()


def test_sigterm_ends_it_in_order(start_server: Starter) -> None:
    assert start_server().stop() == 0


def test_sigterm_ends_it_with_a_live_view_open(start_server: Starter) -> None:
    server = start_server()
    key = server.key(server.organization("acme"))
    with server.client(key) as client, client.stream("GET", "/v1/audit-logs/live") as answer:
        assert answer.status_code == 200
        assert server.stop() == 0


def test_a_taken_port_is_said_with_what_to_do(server: Server) -> None:
    done = server.command("serve", "--port", str(server.port), check=False)
    assert done.returncode == 1
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_directory_in_use_is_said_with_what_to_do(server: Server) -> None:
    done = server.command("serve", "--port", str(find_free_port()), check=False)
    assert done.returncode == 1
    assert "TALLYSTICK_DATA_DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_operator_works_beside_a_running_server(server: Server) -> None:
    key = server.key(server.organization("beside"))
    with server.client(key) as client:
        assert client.post("/v1/audit-logs", json={"action": "a.b"}).status_code == 201


def test_an_address_that_is_not_here_is_named(server: Server) -> None:
    done = server.command("serve", "--host", "192.0.2.1", "--port", str(find_free_port()), check=False)
    assert done.returncode == 1
    assert "192.0.2.1" in done.stderr
