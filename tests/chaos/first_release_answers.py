"""What a server of any version says about an organization, for a comparison across an upgrade."""

import io
import json
import time
import zipfile
from base64 import b64encode
from hashlib import sha256
from typing import Any

import httpx

from tallystick.verify.proofs import read_proof
from tests.chaos.first_release import BIG, PERSON, ok
from tests.fixtures.servers import Server
from tests.fixtures.waiting import wait_until

FILTERS: tuple[dict[str, str], ...] = (
    {}, {"q": "john"}, {"q": PERSON}, {"q": "Straße"}, {"user": "usr_1"}, {"action": "project.*"},
    {"status": "failed"}, {"q": "metadata.n:7"}, {"ip": "192.0.2.0/24"}, {"resource": "api"}, {"q": "-prod"},
)  # fmt: skip
FACETS = ("user", "action", "resource", "ip")
WORDED = ("summary", "known")  # of an event: what each version says in its own words
EVENTS = "/v1/audit-logs"
PROVEN = 12  # events of an organization
TILE = 256  # entries


def answers(client: httpx.Client, end: str, *, is_small: bool) -> dict[str, Any]:
    """All that is said of the events with timestamps before `end`, and of what was done with them.

    Of a small organization, its events and their numbers.
    """
    events = [_plain(event) for event in _walk(client, {"order": "recorded", "end": end})]
    said = {
        "events": events,
        "totals": [_total(client, given | {"end": end}) for given in FILTERS[:: 5 if is_small else 1]],
    }
    if is_small:
        return said
    entries = 1 + max(event["index"] for event in events)
    tiles = (client.get(f"/v1/ledger/tile/0/{number:03}").raise_for_status() for number in range(entries // TILE))
    return said | {
        "found": [[event["id"] for event in _walk(client, given | {"end": end})] for given in FILTERS],
        "facets": [ok(client.get(f"{EVENTS}/facets", params={"field": name, "end": end})) for name in FACETS],
        "histogram": ok(client.get(f"{EVENTS}/histogram", params={"end": end, "start": "2020-01-01"})),
        "tiles": [b64encode(tile.content).decode() for tile in tiles],
        "proofs": {one["id"]: _proof(client, one["id"]) for one in events[:: len(events) // PROVEN + 1]},
        "holds": ok(client.get("/v1/legal-holds"))["data"],
        "erasures": ok(client.get("/v1/erasures"))["data"],
        "exports": {one["id"]: sha256(one["content"]).hexdigest() for one in _files(client, "exports", "download")},
        "reports": {one["id"]: sha256(one["content"]).hexdigest() for one in _files(client, "reports", "content")},
    }


def _total(client: httpx.Client, given: dict[str, str]) -> list[Any]:
    """The number of events, asked for again while a busy machine does not count them within a second."""

    def counted() -> dict[str, Any] | None:
        page: dict[str, Any] = ok(client.get(EVENTS, params=given | {"limit": "1"}))
        return None if page["partial"] or page["total_relation"] == "at_least" else page

    page = wait_until(counted)
    return [page["total"], page["total_relation"], page["partial"]]


def _walk(client: httpx.Client, given: dict[str, str], cursor: str | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    more = {} if cursor is None else {"cursor": cursor}
    while True:
        page = ok(client.get(EVENTS, params={"limit": "1000", "count": "none"} | given | more))
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        more = {"cursor": page["next_cursor"]}


def _plain(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in WORDED}


def _proof(client: httpx.Client, event_id: str) -> dict[str, Any]:
    """What of an event's proof stays as the log grows: its place, its content, and its parts' hashes."""
    found = ok(client.get(f"{EVENTS}/{event_id}/proof", headers={"Accept": "application/json"}))
    return {name: found[name] for name in ("index", "event")} | {
        "extra": b64encode(read_proof(found["proof"]).extra or b"").decode()
    }


def _files(client: httpx.Client, kind: str, content: str) -> list[dict[str, Any]]:
    listed = ok(client.get(f"/v1/{kind}"))["data"]
    return [one | {"content": client.get(f"/v1/{kind}/{one['id']}/{content}").content} for one in listed]


def kept(client: httpx.Client, end: str) -> dict[str, Any]:
    """What a reader takes away and uses later: a cursor with what follows it, whole proofs, a bundle, the log's key."""
    given = {"q": "john", "end": end}
    page = ok(client.get(EVENTS, params=given | {"limit": "20"}))
    (bundle,) = [one for one in _files(client, "exports", "download") if one["format"] == "bundle"]
    return {
        "cursor": page["next_cursor"],
        "after_cursor": after_cursor(client, end, page["next_cursor"]),
        "proofs": [client.get(f"{EVENTS}/{one['id']}/proof").text for one in page["data"][:5]],
        "bundle": b64encode(bundle["content"]).decode(),
        "checkpoint": client.get("/v1/ledger/checkpoint").text,
        "key": client.get("/v1/ledger/key").text.strip(),
    }


def after_cursor(client: httpx.Client, end: str, cursor: str) -> list[str]:
    """The ids of the events that follow the cursor of `kept`."""
    return [event["id"] for event in _walk(client, {"q": "john", "end": end, "limit": "20"}, cursor)]


def content_of(bundle: bytes) -> tuple[bytes, list[dict[str, Any]]]:
    """What is the same however often a bundle is made: its events, and its records without their proofs."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as opened:
        records = map(json.loads, opened.read("records.ndjson").splitlines())
        return opened.read("events.ndjson"), [record | {"hashes": None} for record in records]


def is_still_said(before: Any, after: Any) -> bool:
    """Whether an answer says all that it said before; a later version may add fields."""
    if isinstance(before, dict):
        return isinstance(after, dict) and all(
            name in after and is_still_said(value, after[name]) for name, value in before.items()
        )
    if isinstance(before, list):
        return isinstance(after, list) and len(before) == len(after) and all(map(is_still_said, before, after))
    return bool(before == after)


def said_by(server: Server, keys: dict[str, list[str]]) -> dict[str, Any]:
    """What a server says of each organization."""
    time.sleep(1)  # so that all that was recorded lies before a second that is over
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    said: dict[str, Any] = {"keys": keys, "end": end, "answers": {}, "kept": {}}
    for slug, (key, _other) in keys.items():
        with server.client(key) as client:
            said["answers"][slug] = answers(client, end, is_small=slug not in BIG)
            if slug in BIG:
                said["kept"][slug] = kept(client, end)
    return said
