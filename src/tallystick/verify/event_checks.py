"""The checks of a bundle's events that need only the event and its entry: most of the work, done on all cores."""

import os
import signal
import sys
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

from tallystick.verify.entries import WHOLE, Malformed, entry_of_whole, read_line
from tallystick.verify.tree import HASH_BYTES, MAX_SIZE, leaf_hash

ENTRY_BYTES = HASH_BYTES
MAX_PROCESSES = 16
MIN_PARALLEL_BYTES = (
    32 << 20
)  # what one core checks in a second; below it, starting processes takes longer than they save
BLOCKS_AHEAD = 2  # blocks per process that are queued or checked and not yet consumed, which bounds memory


class Block(NamedTuple):
    """Lines of events.ndjson, each with its newline, and their entries (32 bytes each)."""

    lines: bytes
    entries: bytes


class BlockResult(NamedTuple):
    """For each event of a block: its index, 1 if it is whole and matches its entry (else 0), and its leaf hash."""

    indexes: list[int]
    whole: bytes
    leaves: list[bytes]


def check_block(block: Block) -> BlockResult:
    """Check one block; Malformed for a line that is not an event."""
    indexes, whole, leaves = list[int](), bytearray(), list[bytes]()
    for at, line in enumerate(block.lines.split(b"\n")[:-1]):
        entry = block.entries[at * ENTRY_BYTES : (at + 1) * ENTRY_BYTES]
        event = read_line(line)
        index = event.get("index")
        if type(index) is not int or not 0 <= index < MAX_SIZE:
            raise Malformed(f"index {str(index)[:30]} in events.ndjson is not valid")
        indexes.append(index)
        whole.append(len(event) == len(WHOLE) and _is_entry(event, entry))
        leaves.append(leaf_hash(entry))
    return BlockResult(indexes, bytes(whole), leaves)


def processes_for(events_bytes: int) -> int:
    """The number of processes for a file of this size: one for small files, otherwise one for each usable core."""
    if events_bytes < MIN_PARALLEL_BYTES:
        return 1
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(cores, MAX_PROCESSES)


def check_blocks(blocks: Iterator[Block], processes: int) -> Generator[tuple[Block, BlockResult]]:
    """Check blocks in order, in this process if `processes` is 1. An error of `blocks` is raised in its place.

    When processes cannot be started, or die, their blocks are checked in this one.
    """
    pool = _pool(processes) if processes > 1 else None
    if pool is None:
        yield from ((block, check_block(block)) for block in blocks)
        return
    with pool:
        waiting: deque[tuple[Block, Future[BlockResult] | None]] = deque()
        problem, ended = None, False
        while waiting or not ended:
            while not ended and len(waiting) < BLOCKS_AHEAD * processes:
                try:
                    block = next(blocks)
                except StopIteration:
                    ended = True
                except Exception as error:
                    problem, ended = error, True
                else:
                    waiting.append((block, _submit(pool, block)))
            if waiting:
                block, future = waiting.popleft()
                yield block, _result(block, future)
        if problem is not None:
            raise problem


def _pool(processes: int) -> ProcessPoolExecutor | None:
    """A pool of processes, or None where the system has no shared semaphores, as in some containers."""
    try:
        # Spawned, not forked: it works the same on every system, and copies no threads or locks of this process.
        return ProcessPoolExecutor(processes, get_context("spawn"), _ignore_interrupts)
    except (ImportError, OSError, RuntimeError):
        return None


def _submit(pool: ProcessPoolExecutor, block: Block) -> Future[BlockResult] | None:
    try:
        return pool.submit(check_block, block)
    except (BrokenExecutor, OSError, RuntimeError):
        return None


def _result(block: Block, future: Future[BlockResult] | None) -> BlockResult:
    try:
        return check_block(block) if future is None else future.result()
    except BrokenExecutor:
        return check_block(block)


def _is_entry(event: dict[str, object], entry: bytes) -> bool:
    try:
        return entry_of_whole(event) == entry
    except Malformed:
        return False


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles it
