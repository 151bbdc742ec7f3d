"""A power cut in the middle of an export: it is begun again, and no half file is ever offered."""

import hashlib
from pathlib import Path

import httpx
import pytest

from tests.fixtures.servers import Server, Starter
from tests.fixtures.sizes import size
from tests.fixtures.waiting import wait_until

EVENTS = 20_000
BATCH = 1000
KILLS = size(1, 2)


def half_files(server: Server) -> list[Path]:
    return list((server.data_dir / "exports").glob("*/*.part"))


def state(client: httpx.Client, public_id: str) -> dict[str, object]:
    found: dict[str, object] = client.get(f"/v1/exports/{public_id}").json()
    return found


@pytest.mark.full_size
def test_an_export_survives_kills_and_is_whole(start_server: Starter, tmp_path: Path) -> None:
    server = start_server(home=tmp_path)
    server.organization("acme")
    key = server.key("acme", "events:write", "events:read", "exports")
    with server.client(key) as client:
        for number in range(0, EVENTS, BATCH):
            events = [
                {"action": "thing.done", "metadata": {"n": n, "pad": "x" * 200}} for n in range(number, number + BATCH)
            ]
            wait = {"wait": "searchable"} if number + BATCH == EVENTS else {}
            assert client.post("/v1/audit-logs", json={"events": events}, params=wait).status_code == 201
        public_id = client.post("/v1/exports", json={"format": "pdf", "filter": {}}).json()["id"]
        for _ in range(KILLS):
            wait_until(lambda: half_files(server) or state(client, public_id)["status"] == "completed")
            assert state(client, public_id)["sha256"] is None, "too few events: it was finished before the kill"
            assert client.get(f"/v1/exports/{public_id}/download").status_code == 409
            server.kill()
            server.start()
        wait_until(lambda: state(client, public_id)["status"] not in ("queued", "running"), 120)
        one = state(client, public_id)
        assert one["status"] == "completed", one
        file = client.get(f"/v1/exports/{public_id}/download")
        assert file.content.startswith(b"%PDF")
        assert file.content.rstrip().endswith(b"%%EOF")
        assert hashlib.sha256(file.content).hexdigest() == one["sha256"]
        assert half_files(server) == []
    server.stop()
