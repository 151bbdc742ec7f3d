"""`tallystick serve`: starting, stopping, and what stands in its way."""

import asyncio
import errno
import os
from dataclasses import dataclass
from types import SimpleNamespace

import httpx
import pytest

from tallystick.cli import serve
from tests.fixtures.network import find_free_port
from tests.fixtures.servers import Server, Starter


@dataclass
class Lives:
    """A server that ran twice and still runs: what it said each time, and how its first life ended."""

    server: Server
    link_status: int
    exit_status: int
    first_words: str
    second_words: str


@pytest.fixture(scope="module")
def lives(start_server: Starter) -> Lives:
    server = start_server()
    link = server.wait_for_output(r"http://127\.0\.0\.1:\d+/set-up/\S+$")  # it answers a moment before it speaks
    link_status = httpx.get(link[0]).status_code
    key = server.key(server.organization("acme"))
    with server.client(key) as client, client.stream("GET", "/v1/audit-logs/live"):
        exit_status = server.stop()
    first_words = server.complete_log()
    server.log.write_text("")
    server.start()
    server.wait_for_output("is listening")
    return Lives(server, link_status, exit_status, first_words, server.complete_log())


def test_a_first_start_prints_a_link_that_works_for_the_first_owner(lives: Lives) -> None:
    assert lives.link_status == 200


def test_with_an_organization_it_says_only_where_it_listens(lives: Lives) -> None:
    assert f"is listening on {lives.server.url}" in lives.second_words
    assert "set-up" not in lives.second_words


def test_sigterm_ends_it_in_order_and_soon_though_a_live_view_is_open(lives: Lives) -> None:
    assert lives.exit_status == 0
    assert "stopped_with_work_under_way" not in lives.first_words, "nothing had to be broken off after the grace"


def test_a_taken_port_is_said_with_what_to_do(lives: Lives) -> None:
    done = lives.server.command("serve", "--port", str(lives.server.port), check=False)
    assert done.returncode == 1
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_directory_in_use_is_said_with_what_to_do(lives: Lives) -> None:
    done = lives.server.command("serve", "--port", str(find_free_port()), check=False)
    assert done.returncode == 1
    assert "TALLYSTICK_DATA_DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_that_is_not_here_is_named(lives: Lives) -> None:
    done = lives.server.command("serve", "--host", "192.0.2.1", "--port", str(find_free_port()), check=False)
    assert done.returncode == 1
    assert "192.0.2.1" in done.stderr


def test_the_operator_works_beside_a_running_server(lives: Lives) -> None:
    lives.server.command("org", "create", "beside")
    made = lives.server.command("key", "create", "--org", "beside", "--name", "test", "--scope", "events:write")
    key = made.stdout.strip()
    with lives.server.client(key) as client:
        assert client.post("/v1/audit-logs", json={"action": "a.b"}).status_code == 201


async def no_link(*_arguments: object) -> None:
    return None


def full_disk(_text: str) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_server_whose_output_goes_to_a_full_disk_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve, "say", full_disk)
    parts = SimpleNamespace(settings=SimpleNamespace(public_url="http://x"), database=SimpleNamespace(run=no_link))
    asyncio.run(serve._greet(parts))  # type: ignore[arg-type]
    assert "address_not_printed" in "".join(capsys.readouterr())
