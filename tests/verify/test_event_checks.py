"""Events that are examined in several processes are judged as in one."""

import io
import os
import signal
import subprocess

import pytest

from tallystick.database.engine import Database
from tallystick.verify import bundle
from tallystick.verify.entries import Malformed
from tallystick.verify.event_checks import ENTRY_BYTES, Block, check_blocks, processes_for
from tallystick.verify.report import Report
from tests.verify.evidence import Trail, on_lines, rewrite
from tests.verify.test_records import OLD


def block(first, count=3):
    lines = b"".join(b'{"index":%d}\n' % index for index in range(first, first + count))
    return Block(lines, bytes(range(count)) * ENTRY_BYTES)


def test_blocks_come_in_order_whoever_examined_them():
    blocks = [block(first) for first in range(0, 60, 3)]
    assert list(check_blocks(iter(blocks), 2)) == list(check_blocks(iter(blocks), 1))


@pytest.mark.parametrize("processes", [1, 2])
def test_what_cannot_be_read_is_told_in_its_place(processes):
    blocks = [block(0), block(3), Block(b"[]\n", bytes(ENTRY_BYTES)), block(6)]
    seen = []
    with pytest.raises(Malformed, match="not a JSON object"):
        seen.extend(one for one, _ in check_blocks(iter(blocks), processes))
    with pytest.raises(Malformed, match="is not valid"):
        list(check_blocks(iter([Block(b'{"index":-1}\n', bytes(ENTRY_BYTES))]), processes))


@pytest.mark.parametrize("processes", [1, 2])
def test_what_came_before_a_problem_of_the_file_is_examined_first(processes):
    def source():
        yield block(0)
        yield block(3)
        raise Malformed("the file ends")

    seen = []
    with pytest.raises(Malformed, match="the file ends"):
        for one, _ in check_blocks(source(), processes):
            seen.append(one)
    assert seen == [block(0), block(3)]


def test_a_process_that_is_killed_is_missed_by_nobody():
    def source():
        for first in range(0, 3000, 3):
            if first == 300:
                found = subprocess.run(
                    ["pgrep", "-P", str(os.getpid()), "-f", "spawn_main"], capture_output=True, text=True, check=True
                )
                for child in found.stdout.split():
                    os.kill(int(child), signal.SIGKILL)
            yield block(first)

    blocks = [block(first) for first in range(0, 3000, 3)]
    assert list(check_blocks(source(), 2)) == list(check_blocks(iter(blocks), 1))


def test_whoever_stops_reading_leaves_no_process():
    reading = check_blocks((block(first) for first in range(0, 3000, 3)), 2)
    next(reading)
    reading.close()
    left = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "spawn_main"], capture_output=True, check=False)
    assert left.stdout == b""


def test_few_events_are_not_worth_a_process():
    assert processes_for(1 << 20) == 1
    assert processes_for(1 << 40) <= len(os.sched_getaffinity(0))


@pytest.fixture
def trail(sqlite_database: Database, tmp_path):
    made = Trail(sqlite_database, tmp_path)
    made.own("organization.created", changes={"slug": "acme", "plan": "enterprise", "retention_days": 365})
    made.fill(300)
    return made


def report(trail, content, monkeypatch, processes):
    monkeypatch.setattr(bundle, "READ_BYTES", 3000)  # a few events
    monkeypatch.setattr(bundle, "processes_for", lambda _bytes: processes)
    found = Report("bundle.zip")
    bundle.check_bundle(io.BytesIO(content), trail.keys, found, parallel=True)
    return found.as_json()


def test_the_verdict_on_every_kind_of_event_is_the_same(trail, monkeypatch):
    at = trail.pruned("20-90,100", OLD)
    gone = [*range(20, 91), 100, 120]

    def edit(lines):
        found = {line["index"]: line for line in lines}
        found[7]["what"] = found[7]["what"].replace("failed", "passed")
        found[150]["seed"] = "nothing"
        found[200] |= {"more": 1}

    content = rewrite(trail.bundle(without=gone, records=[0, at]), events_ndjson=on_lines(edit))
    one = report(trail, content, monkeypatch, 1)
    assert (one["altered"], one["expired"], one["unexplained"], one["verified"]) == (3, 72, 1, 226)
    assert report(trail, content, monkeypatch, 2) == one


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content + b"oops\n",
        lambda content: content.replace(b'"index":250,', b'"index":249,'),
        lambda content: content.replace(b'"index":250,', b'"index":2500000000000000000000,'),
        lambda content: content + b"{}\n",
        lambda content: b"",
    ],
)
def test_a_file_that_is_none_is_refused_the_same(trail, monkeypatch, damage):
    content = rewrite(trail.bundle(), events_ndjson=damage)
    one = report(trail, content, monkeypatch, 1)
    assert not one["holds"]
    assert report(trail, content, monkeypatch, 2) == one
