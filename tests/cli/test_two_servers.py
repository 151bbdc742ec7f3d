"""Two servers with embedded event stores on one control database: only one of them has the events."""

import os
import signal
from uuid import uuid4

import pytest

from tests.fixtures.postgresql import PostgreSQL
from tests.fixtures.servers import Server, Starter


@pytest.fixture
def settings(postgresql: PostgreSQL) -> dict[str, str]:
    name = f"two_{uuid4().hex}"
    return {"TALLYSTICK_DATABASE_URL": postgresql.create(name), "TALLYSTICK_SECRET_KEY": "k" * 40}


def test_a_server_that_stood_still_ends_after_another_one_has_taken_over(
    start_server: Starter, settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = start_server(**settings)
    key = first.key(first.organization("acme"))
    second = Server(tmp_path_factory.mktemp("second"), settings)

    refused = second.command(*second.arguments(), check=False)
    assert refused.returncode == 1
    assert "tallystick store adopt" in refused.stderr
    assert "Traceback" not in refused.stderr

    assert first.process is not None
    os.kill(first.process.pid, signal.SIGSTOP)
    try:
        second.command("store", "adopt")
        second.start()
        with second.client(key) as client:
            assert client.post("/v1/audit-logs", json={"action": "project.updated"}).status_code == 201
    finally:
        os.kill(first.process.pid, signal.SIGCONT)
    assert first.process.wait(60) == 1
    assert "several servers need one ClickHouse server" in first.complete_log()
    second.stop()
