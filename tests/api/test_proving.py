"""Proofs over HTTP: a stranger to the server can check everything, and another organization gets nothing."""

import base64
import json

import httpx
import pytest
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey

from tallystick.ledger import expiry
from tallystick.merkle.tree import leaf_hash
from tallystick.verify.command import read_keys
from tallystick.verify.live import Server, check_server
from tallystick.verify.notes import open_checkpoint
from tallystick.verify.proofs import check_proof, read_proof
from tallystick.verify.report import Report
from tallystick.verify.tree import EMPTY_ROOT, check_consistency
from tests.api.api_client import PATH, ApiClient, event, problem

CHECKPOINT, KEY = "/v1/ledger/checkpoint", "/v1/ledger/key"
TILE, CONSISTENCY = "/v1/ledger/tile", "/v1/ledger/consistency"
MANY = 600


@pytest.fixture(scope="module")
def grown(organization) -> ApiClient:
    """An organization with a log of three tiles."""
    made: ApiClient = organization()
    made.record(*[event("thing.done", metadata={"n": number}) for number in range(MANY)])
    return made


def keys_of(asking: ApiClient):
    return read_keys(asking.get(KEY).text.splitlines())


def checkpoint_of(asking: ApiClient):
    return open_checkpoint(asking.get(CHECKPOINT).text, keys_of(asking))


def shown(asking: ApiClient, event_id: str) -> dict:
    answer = asking.get(f"{PATH}/{event_id}/proof", headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_an_event_is_proven_the_moment_it_was_recorded(acme):
    for number in range(20):
        recorded = acme.post(event("fresh.done", metadata={"n": number})).json()["events"][0]
        proof = shown(acme, recorded["id"])
        report = Report("proof")
        check_proof(proof["proof"], keys_of(acme), report, event=proof["event"])
        assert report.holds, report.lines()
        assert proof["index"] == recorded["index"] < proof["size"]


def test_a_proof_of_a_stored_event_is_the_same_as_text_and_as_json(grown):
    some = grown.page(limit=3, action="thing.done")["data"]
    for one in some:
        answer = grown.get(f"{PATH}/{one['id']}/proof")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert read_proof(answer.text) == read_proof(shown(grown, one["id"])["proof"])


def test_the_text_reveals_nothing_of_the_event(acme):
    recorded = acme.post(event("quiet.done", description="nobody-may-read-this")).json()["events"][0]
    text = acme.get(f"{PATH}/{recorded['id']}/proof").text
    opened = json.loads(read_proof(text).extra or b"")
    assert set(opened) == {"id", "received_at", "commitments"}
    assert "nobody-may-read-this" not in text


def test_an_event_that_was_changed_on_the_way_is_found(grown):
    proof = shown(grown, grown.page(limit=1, action="thing.done")["data"][0]["id"])
    proof["event"]["who"] = proof["event"]["who"].replace("test", "best")
    report = Report("proof")
    check_proof(proof["proof"], keys_of(grown), report, event=proof["event"])
    assert not report.holds


def test_the_checkpoint_covers_what_was_recorded_within_a_second_or_two(acme):
    acme.record(event("thing.done"))
    assert checkpoint_of(acme).size >= 1
    assert acme.get(CHECKPOINT).headers["cache-control"] == "private, max-age=1"


def test_two_checkpoints_are_shown_to_be_of_one_log(grown):
    second = checkpoint_of(grown)
    reader = TilesReader(Served(grown))
    reader.set_size(second.size)
    for size in (0, 1, 255, 256, 257, second.size):
        hashes = grown.get(CONSISTENCY, first=size, second=second.size).text.split()
        old = reader.mth(0, size) if size else EMPTY_ROOT
        check_consistency(size, second.size, old, second.root, [base64.b64decode(one) for one in hashes])


@pytest.mark.parametrize(
    "asked", [{}, {"first": 1}, {"second": 1}, {"first": 2, "second": 1}, {"first": 0, "second": 10**9},
              {"first": "x", "second": 1}, {"first": -1, "second": 1}],
)  # fmt: skip
def test_sizes_that_make_no_sense_are_refused(grown, asked):
    problem(grown.get(CONSISTENCY, **asked), 400, "bad_parameter")


def test_tiles_of_every_width_are_served_and_never_change(grown):
    full = grown.get(f"{TILE}/0/000").content
    assert len(full) == 256 * 32
    for width in (1, 2, 100, 255):
        answer = grown.get(f"{TILE}/0/000.p/{width}")
        assert answer.content == full[: width * 32]
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert answer.headers["vary"] == "Authorization"
        entries = grown.get(f"{TILE}/entries/000.p/{width}").content
        assert len(entries) == width * 34
    reader = TilesReader(Served(grown))
    reader.set_size(MANY)
    assert grown.get(f"{TILE}/1/000.p/2").content == reader.mth(0, 256) + reader.mth(256, 512)


@pytest.mark.parametrize(
    "path", ["64/000", "-1/000", "abc/000", "0/x001", "0/001/002", "0/x001/0002", "0/x001/-002", "0/000.p/256",
             "0/000.p/0", "0/000.p/", "0/000.p", "entries/1", "0/000.p/01", "00/000", "0", "entries", "0/000.p/1/x"],
)  # fmt: skip
def test_what_is_no_path_of_a_tile_is_refused(grown, path):
    problem(grown.get(f"{TILE}/{path}"), 400, "bad_tile")


@pytest.mark.parametrize(
    "path", ["0/x001/000", "0/002", "1/000", "2/000.p/1", "63/000", "entries/003.p/1", "0/002.p/255"]
)
def test_a_tile_that_the_log_has_not_reached_is_not_there(grown, path):
    problem(grown.get(f"{TILE}/{path}"), 404, "no_tile")


class Served:
    """Our tiles, as the foreign reader asks for them."""

    def __init__(self, asking: ApiClient) -> None:
        self._asking = asking

    def get(self, *path: str) -> bytes | None:
        place = "/".join(path)
        answer = self._asking.get(f"/v1/ledger/{place}")
        return answer.content if answer.status_code == 200 else None


def test_a_foreign_implementation_reads_our_log_and_makes_the_same_proofs(grown):
    reader = TilesReader(Served(grown))
    checkpoint = reader.get_checkpoint()
    checkpoint.verify(Vkey.from_string(grown.get(KEY).text.strip()))
    reader.set_size(checkpoint.size)
    assert reader.calculate_root_hash() == checkpoint.root_hash
    for one in grown.page(limit=1000, action="thing.done")["data"][::97]:
        ours = read_proof(grown.get(f"{PATH}/{one['id']}/proof").text)
        theirs = reader.get_inclusion_proof(one["index"], checkpoint.size)
        assert theirs.node_hashes == ours.hashes
        theirs.check(leaf_hash(reader.get_entry(one["index"])), checkpoint.root_hash)
    for first in (1, 255, 256, 257, 512, checkpoint.size - 1):
        lines = grown.get(CONSISTENCY, first=first, second=checkpoint.size).text.split()
        proof = reader.get_consistency_proof(first, checkpoint.size)
        assert proof.node_hashes == [base64.b64decode(line) for line in lines]


def test_another_organization_gets_neither_the_event_nor_the_log(grown, acme):
    for one in grown.page(limit=20)["data"]:
        for accept in ("text/plain", "application/json"):
            answer = acme.get(f"{PATH}/{one['id']}/proof", headers={"Accept": accept})
            problem(answer, 404, "no_event")
    assert set(keys_of(acme)).isdisjoint(keys_of(grown))
    assert checkpoint_of(acme).origin != checkpoint_of(grown).origin
    problem(acme.get(f"{TILE}/0/000"), 404, "no_tile")
    problem(acme.get(f"{TILE}/entries/001"), 404, "no_tile")
    problem(acme.get(CONSISTENCY, first=1, second=MANY), 400, "bad_parameter")


PATHS = [
    CHECKPOINT,
    KEY,
    f"{TILE}/0/000.p/1",
    f"{CONSISTENCY}?first=0&second=1",
    f"{PATH}/evt_00000000000000000000000000/proof",
]


@pytest.mark.parametrize("path", PATHS)
def test_without_a_key_or_with_one_that_only_records_nothing_is_shown(path, stranger: httpx.Client, operator, acme):
    problem(stranger.get(path), 401, "no_api_key")
    writer = operator.key(acme.org_id, "events:write")
    problem(writer.get(path), 403, "missing_permission")


def test_unknown_parameters_and_forms_are_refused(acme):
    one = acme.record(event("thing.done"))[0]["id"]
    problem(acme.get(CHECKPOINT, size=1), 400, "unknown_parameter")
    problem(acme.get(f"{PATH}/{one}/proof", headers={"Accept": "image/png"}), 406, "not_acceptable")
    problem(acme.get(f"{PATH}/evt_nonsense/proof"), 404, "no_event")


def test_a_log_whose_oldest_entries_are_past_their_time_is_checked_from_outside(organization, operator):
    asking = organization()
    asking.record(*[event("thing.done", metadata={"n": number}) for number in range(MANY)])
    size = checkpoint_of(asking).size
    with operator.database.write() as connection:
        expiry.expire_entries(connection, asking.org_id, [0])
    problem(asking.get(f"{TILE}/entries/000"), 404, "no_tile")
    report = Report("server")
    check_server(Server(str(asking.http.base_url), asking.key), keys_of(asking), report)
    assert report.holds, report.lines()
    assert any("256 entries have expired" in fact for fact in report.facts)
    problem(asking.get(CONSISTENCY, first=100, second=size), 404, "no_tile")
    assert asking.get(CONSISTENCY, first=300, second=size).status_code == 200
