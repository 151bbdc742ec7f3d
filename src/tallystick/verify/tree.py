"""RFC 6962 hashes, verification of inclusion and consistency proofs (RFC 9162 §2.1.3.2, §2.1.4.2), roots from nodes."""

from collections.abc import Iterator, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
MAX_SIZE = 1 << 63


class Unproven(Exception):
    """A proof does not lead to the signed root; the text says where it fails."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf (RFC 6962 §2.1): 0x00 and the entry."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node (RFC 6962 §2.1): 0x01 and both children."""
    return sha256(b"\1" + left + right).digest()


def check_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Raise Unproven unless `proof` leads from the leaf at `index` to `root` over `size` leaves (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size <= MAX_SIZE:
        raise Unproven(f"index {index} is not in a log of {size}")
    place, last, reached = index, size - 1, leaf
    for node in proof:
        if len(node) != HASH_BYTES or last == 0:
            raise Unproven("the inclusion proof has too many hashes, or one of another length")
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
        raise Unproven("the inclusion proof leads to a different root than the signed one")


def check_consistency(first: int, second: int, old: bytes, new: bytes, proof: Sequence[bytes]) -> None:
    """Raise Unproven unless `proof` shows that the tree of `second` leaves begins with that of `first` leaves.

    `old` and `new` are their roots. The algorithm is that of RFC 9162 §2.1.4.2.
    """
    if not 0 <= first <= second <= MAX_SIZE:
        raise Unproven(f"sizes {first} and {second} are not in order")
    if first == 0 or first == second:
        if proof:
            raise Unproven("the consistency proof must be empty")
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
            raise Unproven("the consistency proof has too many hashes")
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
        raise Unproven("the log does not begin with the entries of the older checkpoint: its history was changed")


def cover(start: int, end: int) -> Iterator[int]:
    """The levels of the fewest perfect nodes that span the leaves [start, end), from left to right."""
    at = start
    while at < end:
        level = (end - at).bit_length() - 1
        if at:
            level = min(level, (at & -at).bit_length() - 1)
        yield level
        at += 1 << level


class TreeBuilder:
    """Builds a tree from left to right out of nodes of any level, keeping only its peaks.

    `size` is the number of leaves so far. With `watched`, `watched_root` becomes the root at that size, unless a single
    node spans it.
    """

    def __init__(self, watched: int | None = None) -> None:
        self.size = 0
        self.watched_root: bytes | None = EMPTY_ROOT if watched == 0 else None
        self._watched = watched
        self._peaks: dict[int, bytes] = {}

    def push(self, level: int, nodes: list[bytes]) -> None:
        """Append consecutive nodes of one level; the size so far must be a multiple of 2^level."""
        if self._watched is not None and self.size < self._watched < self.size + (len(nodes) << level):
            count, over = divmod(self._watched - self.size, 1 << level)
            if not over:
                self._push(level, nodes[:count])
                nodes = nodes[count:]
        self._push(level, nodes)

    def root(self) -> bytes:
        """The root over the leaves so far."""
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
