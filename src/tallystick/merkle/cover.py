"""Covers: the nodes that stand for the leaves a proof leaves out, so that a few leaves, or a range, give the root.

A prover walks the leaves it shows in order and puts down, for each gap before, between and behind them, the
nodes of the fewest perfect subtrees. A verifier walks the same way and takes them up again: which nodes they
are follows from the indexes alone. One leaf gives as many hashes as its inclusion proof, a range twice as many.
"""

from collections.abc import Iterator


def cover(start: int, end: int) -> Iterator[tuple[int, int]]:
    """(level, index) of the nodes over the leaves [start, end), first to last: each as large as its place allows."""
    at = start
    while at < end:
        level = (end - at).bit_length() - 1
        if at:
            level = min(level, (at & -at).bit_length() - 1)
        yield level, at >> level
        at += 1 << level
