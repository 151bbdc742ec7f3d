"""A bundle that is as it was written holds; whatever somebody does to it is found, and named by its index."""

import json
from pathlib import Path

import pytest

from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.ledger.notes import checkpoint_body, signed_note
from tallystick.verify.notes import Key, open_checkpoint
from tests.verify.evidence import Trail, found, on_lines, read, rewrite, zipped

COUNT = 700  # three tiles
ENTRY = 32


@pytest.fixture
def trail(sqlite_database: Database, tmp_path: Path) -> Trail:
    made = Trail(sqlite_database, tmp_path)
    made.fill(COUNT)
    return made


@pytest.mark.parametrize(
    ("first", "end"), [(0, COUNT), (0, 1), (1, 2), (255, 513), (256, 512), (699, 700), (300, 300), (0, 0)]
)
def test_a_range_holds_as_it_was_written(trail, first, end):
    report = trail.check(trail.bundle(first, end))
    assert report.holds, report.lines()
    assert len(report.found["verified"]) == end - first


def test_filtered_events_hold_and_the_report_says_what_that_does_not_show(trail):
    report = trail.check(trail.filtered(3, 4, 255, 256, 600))
    assert report.holds
    assert found(report) == {"verified": "3-4,255-256,600"}
    assert any("not that no event was left out" in fact for fact in report.facts)


def test_events_that_come_after_the_range_do_not_disturb_it(trail):
    bundle = trail.bundle(0, 500)
    trail.fill(100)
    assert trail.check(bundle).holds
    assert trail.check(trail.bundle(0, 500)).holds


@pytest.mark.parametrize("part", ["what", "target", "who", "details"])
def test_attack_a_part_changed(trail, part):
    attacked = rewrite(trail.bundle(), events_ndjson=on_lines(lambda lines: lines[123].update({part: "{}x"})))
    report = trail.check(attacked)
    assert not report.holds
    assert found(report)["altered"] == "123"


@pytest.mark.parametrize(
    "change", [{"received_at": 5}, {"id": "evt_01hm6gkt3gfh2tjfe9bqbp34fr"}, {"seed": "AAAAAAAAAAAAAAAAAAAAAA=="}]
)
def test_attack_time_id_or_seed_changed(trail, change):
    attacked = rewrite(trail.bundle(), events_ndjson=on_lines(lambda lines: lines[7].update(change)))
    assert found(trail.check(attacked))["altered"] == "7"


def test_attack_a_part_changed_and_its_entry_with_it(trail):
    forged = Trail(trail.database, trail.signer._marks._path.parent, "forger")
    forged.fill(COUNT)
    line = read(forged.bundle(), "events.ndjson").splitlines()[123]
    entry = read(forged.bundle(), "entries.bin")[123 * ENTRY : 124 * ENTRY]
    attacked = rewrite(
        trail.bundle(),
        events_ndjson=on_lines(lambda lines: lines.__setitem__(123, json.loads(line))),
        entries_bin=lambda raw: raw[: 123 * ENTRY] + entry + raw[124 * ENTRY :],
    )
    report = trail.check(attacked)
    assert not report.holds
    assert found(report) == {}, "nothing counts as proven when the root is another"


def test_attack_salts_swapped(trail):
    def swap(lines):
        lines[10]["seed"], lines[11]["seed"] = lines[11]["seed"], lines[10]["seed"]

    assert found(trail.check(rewrite(trail.bundle(), events_ndjson=on_lines(swap))))["altered"] == "10-11"


def test_attack_an_event_removed(trail):
    attacked = rewrite(trail.bundle(), events_ndjson=on_lines(lambda lines: lines.pop(50)))
    assert not trail.check(attacked).holds
    both = rewrite(
        trail.bundle(),
        events_ndjson=on_lines(lambda lines: lines.pop(50)),
        entries_bin=lambda raw: raw[: 50 * ENTRY] + raw[51 * ENTRY :],
    )
    assert not trail.check(both).holds


def test_attack_an_event_emptied(trail):
    attacked = rewrite(trail.bundle(), events_ndjson=on_lines(lambda lines: lines.__setitem__(50, {"index": 50})))
    report = trail.check(attacked)
    assert not report.holds
    assert found(report) == {"verified": "0-49,51-699", "unexplained": "50"}


def test_attack_an_event_inserted(trail):
    attacked = rewrite(
        trail.bundle(),
        events_ndjson=on_lines(lambda lines: lines.insert(50, lines[49])),
        entries_bin=lambda raw: raw[: 50 * ENTRY] + raw[49 * ENTRY :],
    )
    assert not trail.check(attacked).holds


@pytest.mark.parametrize("with_indexes", [True, False])
@pytest.mark.parametrize("with_entries", [True, False])
def test_attack_two_events_swapped(trail, with_indexes, with_entries):
    def swap(lines):
        lines[20], lines[21] = lines[21], lines[20]
        if not with_indexes:
            lines[20]["index"], lines[21]["index"] = 20, 21

    def swapped(raw):
        first, second = raw[20 * ENTRY : 21 * ENTRY], raw[21 * ENTRY : 22 * ENTRY]
        return raw[: 20 * ENTRY] + second + first + raw[22 * ENTRY :] if with_entries else raw

    assert not trail.check(rewrite(trail.bundle(), events_ndjson=on_lines(swap), entries_bin=swapped)).holds


@pytest.mark.parametrize("with_entries", [True, False])
def test_attack_the_tail_cut(trail, with_entries):
    def cut(lines):
        del lines[600:]

    attacked = rewrite(
        trail.bundle(),
        events_ndjson=on_lines(cut),
        entries_bin=lambda raw: raw[: 600 * ENTRY] if with_entries else raw,
    )
    assert not trail.check(attacked).holds


def test_attack_the_tail_cut_with_an_older_checkpoint_is_found_by_who_holds_a_newer_one(trail):
    older = trail.bundle()
    trail.fill(10)
    newer = open_checkpoint(trail.prover.checkpoint(trail.scope, covering=COUNT + 10).note, trail.keys)
    assert trail.check(older).holds
    assert not trail.check(older, newer).holds


def test_attack_the_tree_rewritten_with_a_new_root(trail, sqlite_database, tmp_path):
    """Somebody with the database and the signing key makes another history: who holds a checkpoint sees it."""
    held = open_checkpoint(trail.prover.checkpoint(trail.scope).note, trail.keys)
    key = trail.signer.keys(trail.scope.org_id)[0]
    rewritten = Trail(sqlite_database, tmp_path / "..", "rewritten")
    rewritten.fill(COUNT + 5)
    bundle = rewritten.bundle()
    theirs = open_checkpoint(read(bundle, "checkpoint").decode(), rewritten.keys)
    note = signed_note(checkpoint_body(key.name, theirs.size, theirs.root), key.name, [key.private])
    attacked = rewrite(bundle, checkpoint=lambda _: note.encode())
    assert trail.check(attacked).holds, "with the key alone it cannot be told"
    report = trail.check(attacked, held)
    assert not report.holds
    assert any("older checkpoint" in problem for problem in report.problems)


def test_the_same_log_grown_honestly_begins_with_the_older_checkpoint(trail):
    held = open_checkpoint(trail.prover.checkpoint(trail.scope).note, trail.keys)
    trail.fill(50)
    report = trail.check(trail.bundle(), held)
    assert report.holds, report.lines()
    assert "begins with the 700 entries of the older checkpoint" in report.facts


def test_attack_a_checkpoint_of_another_log(trail, sqlite_database, tmp_path):
    other = Trail(sqlite_database, tmp_path, "other")
    other.fill(COUNT)
    note = read(other.bundle(), "checkpoint")
    attacked = rewrite(trail.bundle(), checkpoint=lambda _: note)
    assert not trail.check(attacked).holds
    assert not trail.check(attacked, keys=[*trail.keys, *other.keys]).holds
    assert not trail.check(other.bundle()).holds, "signed by a key of another log"


def test_attack_a_checkpoint_of_another_log_signed_by_ours(trail):
    key = trail.signer.keys(trail.scope.org_id)[0]
    body = read(trail.bundle(), "checkpoint").decode().partition("\n\n")[0] + "\n"
    renamed = body.replace(key.name, "audit.example.com/log/other")
    attacked = rewrite(trail.bundle(), checkpoint=lambda _: signed_note(renamed, key.name, [key.private]).encode())
    report = trail.check(attacked)
    assert not report.holds
    assert "belongs to the log audit.example.com/log/other" in report.problems[0]


def test_attack_a_key_from_inside_the_bundle(trail, sqlite_database, tmp_path):
    """A forged bundle that brings its own key: the key is not looked at, and no file more is allowed."""
    forged = Trail(sqlite_database, tmp_path, "forged")
    forged.fill(5)
    bundle = forged.bundle()
    vkey = forged.prover.vkeys(forged.scope)[0]
    assert not trail.check(rewrite(bundle, README_txt=lambda text: text + vkey.encode())).holds
    files = {name: read(bundle, name) for name in ("events.ndjson", "entries.bin", "proof.json", "checkpoint")}
    files |= {name: read(bundle, name) for name in ("records.ndjson", "README.txt", "manifest.json")}
    assert not trail.check(zipped(files | {"key": vkey.encode()})).holds
    assert not trail.check(bundle, keys=[]).holds


def test_attack_a_line_that_two_readers_read_differently(trail):
    def twice(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        lines[5] = lines[5].replace(b'{"index":5', b'{"what":"{}","index":5')
        return b"".join(lines)

    assert not trail.check(rewrite(trail.bundle(), events_ndjson=twice)).holds


def test_attack_a_range_that_claims_less_than_it_was(trail):
    smaller = rewrite(trail.bundle(), proof_json=lambda text: text.replace(b'"end": 700', b'"end": 699'))
    assert not trail.check(smaller).holds
    larger = rewrite(trail.bundle(0, 699), proof_json=lambda text: text.replace(b'"end": 699', b'"end": 700'))
    assert found(trail.check(larger))["unexplained"] == "699"


@pytest.mark.parametrize(
    "edit", [lambda text: text.replace(b"\n]}", b',\n"AAAA"\n]}'), lambda text: text[:200], lambda _: b""]
)
def test_attack_a_proof_with_more_or_less_hashes(trail, edit):
    assert not trail.check(rewrite(trail.bundle(1, 600), proof_json=edit)).holds


@pytest.mark.parametrize("name", ["events_ndjson", "entries_bin", "checkpoint", "README_txt", "records_ndjson"])
def test_a_file_that_the_manifest_does_not_speak_of_is_found(trail, name):
    def spoil(text: bytes) -> bytes:
        manifest = json.loads(text)
        manifest["files"][name.replace("_", ".")]["sha256"] = "0" * 64
        return json.dumps(manifest).encode()

    report = trail.check(rewrite(trail.bundle(0, 20), manifest_json=spoil))
    assert not report.holds
    assert name.replace("_", ".") in report.problems[0]


def test_a_damaged_zip_is_a_problem_and_not_a_crash(trail):
    bundle = trail.bundle(0, 300)
    for at in range(0, len(bundle), max(1, len(bundle) // 60)):
        for spoiled in (bundle[:at], bundle[:at] + bytes([bundle[at] ^ 0xFF]) + bundle[at + 1 :]):
            report = trail.check(spoiled)
            assert not report.holds or found(report) == {"verified": "0-299"}, at


def test_both_keys_of_a_change_prove_a_bundle_and_a_strangers_key_does_not(trail):
    before = trail.keys
    with trail.database.write() as connection:
        trail.signer._keyring.rotate(connection, trail.scope, now=now_us())
    trail.fill(1)
    bundle = trail.bundle()
    after = [Key.read(trail.prover.vkeys(trail.scope)[0])]
    assert after[0] not in before
    assert trail.check(bundle, keys=before).holds
    assert trail.check(bundle, keys=after).holds
