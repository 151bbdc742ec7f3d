"""The tree as a verifier sees it: RFC 6962 hashes, the two kinds of proof (RFC 9162, 2.1.3.2 and 2.1.4.2), folding."""

from collections.abc import Iterator, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
MAX_SIZE = 1 << 63


class Unproven(Exception):
    """What is shown does not lead to what was signed; the text says where."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def check_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Unproven unless `proof` leads from the leaf at `index` to `root` over `size` leaves."""
    if not 0 <= index < size <= MAX_SIZE:
        raise Unproven(f"index {index} is not in a log of {size}")
    place, last, reached = index, size - 1, leaf
    for node in proof:
        if len(node) != HASH_BYTES or last == 0:
            raise Unproven("the inclusion proof has a hash too many, or one of another length")
        if place & 1 or place == last:
            reached = node_hash(node, reached)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            reached = node_hash(reached, node)
        place, last = place >> 1, last >> 1
    if last:
        raise Unproven("the inclusion proof has too few hashes")
    if reached != root:
        raise Unproven("the inclusion proof leads to another root than was signed")


def check_consistency(first: int, second: int, old: bytes, new: bytes, proof: Sequence[bytes]) -> None:
    """Unproven unless `proof` shows the tree of `second` leaves (root `new`) to begin with that of `first` (`old`)."""
    if not 0 <= first <= second <= MAX_SIZE:
        raise Unproven(f"sizes {first} and {second} are not in order")
    if first == 0 or first == second:
        if proof:
            raise Unproven("the consistency proof should be empty")
        if old != (EMPTY_ROOT if first == 0 else new):
            raise Unproven("two roots for the same size")
        return
    path = [old, *proof] if first & first - 1 == 0 else list(proof)
    if not path or any(len(node) != HASH_BYTES for node in path):
        raise Unproven("the consistency proof is empty, or has a hash of another length")
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    to_old = to_new = path[0]
    for node in path[1:]:
        if last == 0:
            raise Unproven("the consistency proof has a hash too many")
        if place & 1 or place == last:
            to_old, to_new = node_hash(node, to_old), node_hash(node, to_new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            to_new = node_hash(to_new, node)
        place, last = place >> 1, last >> 1
    if last:
        raise Unproven("the consistency proof has too few hashes")
    if to_old != old or to_new != new:
        raise Unproven("the log does not begin with the older one: its history was changed")


def cover(start: int, end: int) -> Iterator[int]:
    """The levels of the nodes that cover the leaves [start, end): as few as their places allow, first to last."""
    at = start
    while at < end:
        level = (end - at).bit_length() - 1
        if at:
            level = min(level, (at & -at).bit_length() - 1)
        yield level
        at += 1 << level


class TreeBuilder:
    """A tree folded from left to right: nodes come in order, `root` is that over the `size` leaves so far.

    With `watched`, `at_watched` is the root at that size once it was passed, if it was not jumped over.
    """

    def __init__(self, watched: int | None = None) -> None:
        self.size = 0
        self.watched_root: bytes | None = EMPTY_ROOT if watched == 0 else None
        self._watched = watched
        self._peaks: dict[int, bytes] = {}

    def push(self, level: int, nodes: list[bytes]) -> None:
        """Nodes of one level that follow each other; the size so far is a multiple of 2^level."""
        if self._watched is not None and self.size < self._watched < self.size + (len(nodes) << level):
            count, over = divmod(self._watched - self.size, 1 << level)
            if not over:
                self._push(level, nodes[:count])
                nodes = nodes[count:]
        self._push(level, nodes)

    def root(self) -> bytes:
        folded: bytes | None = None
        for level in sorted(self._peaks):
            folded = self._peaks[level] if folded is None else node_hash(self._peaks[level], folded)
        return EMPTY_ROOT if folded is None else folded

    def _push(self, level: int, nodes: list[bytes]) -> None:
        self.size += len(nodes) << level
        peaks = self._peaks
        while nodes:
            waiting = peaks.pop(level, None)
            row = nodes if waiting is None else [waiting, *nodes]
            if len(row) & 1:
                peaks[level] = row[-1]
            one = iter(row)
            nodes = [sha256(b"\1" + left + right).digest() for left, right in zip(one, one, strict=False)]
            level += 1
        if self.size == self._watched:
            self.watched_root = self.root()
