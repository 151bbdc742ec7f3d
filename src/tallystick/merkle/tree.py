"""The RFC 6962 tree: hashes, the right edge that grows, roots and the two kinds of proof.

A node is named by its level (0 = leaves) and its index at that level: it is the root of the perfect
subtree over the leaves [index * 2^level, (index + 1) * 2^level). Only such nodes are ever stored;
everything else is folded from them, as RFC 6962 §2.1 and RFC 9162 §2.1 define it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple, Self

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

NodeReader = Callable[[int, int], bytes]
"""`reader(level, index)` is the hash of that node; it is asked only for nodes the tree holds."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\0" + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    return [sha256(b"\0" + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def _next_level(nodes: Iterable[bytes]) -> list[bytes]:
    """The parents of neighbours; an odd last node has no parent yet."""
    one = iter(nodes)
    return [sha256(b"\1" + left + right).digest() for left, right in zip(one, one, strict=False)]


def perfect_root(nodes: Sequence[bytes]) -> bytes:
    """The root over 2^k nodes of one level (k ≥ 0)."""
    while len(nodes) > 1:
        nodes = _next_level(nodes)
    return nodes[0]


def peaks_of(size: int) -> list[tuple[int, int]]:
    """(level, index) of the perfect subtrees that make up a tree of this size, largest first."""
    levels = [level for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1]
    return [(level, (size >> level) - 1) for level in levels]


class Edge(NamedTuple):
    """All that a tree needs in order to grow: its size and the hashes of its peaks, largest first."""

    size: int
    peaks: tuple[bytes, ...]

    @classmethod
    def of(cls, size: int, read: NodeReader) -> Self:
        """The edge of the tree over the first `size` leaves, from its nodes."""
        return cls(size, tuple([read(level, index) for level, index in peaks_of(size)]))

    @classmethod
    def unpack(cls, size: int, packed: bytes) -> Self:
        """The edge from its `pack()`; ValueError when the bytes are not those of this size."""
        if len(packed) != HASH_BYTES * size.bit_count():
            raise ValueError(f"an edge of {len(packed)} bytes is not that of {size} entries")
        return cls(size, tuple([packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)]))

    def pack(self) -> bytes:
        """The peaks one after the other, 32 bytes each."""
        return b"".join(self.peaks)

    def root(self) -> bytes:
        """The root of the tree (RFC 6962 §2.1: MTH)."""
        if not self.peaks:
            return EMPTY_ROOT
        folded = self.peaks[-1]
        for peak in self.peaks[-2::-1]:
            folded = node_hash(peak, folded)
        return folded


class Growth(NamedTuple):
    """What appending leaves does: the edge after it and, for each level, the nodes it completed.

    `completed[level]` begins at node index `size before >> level`; the list ends with the last level that has any.
    """

    edge: Edge
    completed: list[list[bytes]]


EMPTY = Edge(0, ())


def extend(edge: Edge, leaves: list[bytes], level: int = 0) -> Growth:
    """The tree grown by these leaf hashes; costs one hash for each node completed, however large the tree.

    With `level`, by perfect subtrees of that height instead, of which the edge's size must be a multiple;
    `completed` then begins at that level.
    """
    peaks = {level: peak for (level, _), peak in zip(peaks_of(edge.size), edge.peaks, strict=True)}
    completed: list[list[bytes]] = []
    nodes = leaves
    while nodes:
        height = level + len(completed)
        completed.append(nodes)
        waiting = peaks.pop(height, None)  # a left sibling that had no right one until now
        row = nodes if waiting is None else [waiting, *nodes]
        if len(row) & 1:
            peaks[height] = row[-1]
        nodes = _next_level(row)
    grown = tuple([peaks[height] for height in sorted(peaks, reverse=True)])
    return Growth(Edge(edge.size + (len(leaves) << level), grown), completed)


def root_of(size: int, read: NodeReader) -> bytes:
    """The root over the first `size` leaves, also of a tree that has grown since."""
    return Edge.of(size, read).root()


def _range_root(start: int, end: int, read: NodeReader) -> bytes:
    """The root over leaves [start, end), not empty, where start is a multiple of a power of two ≥ end - start."""
    count = end - start
    level = count.bit_length() - 1
    if count == 1 << level:
        return read(level, start >> level)
    middle = start + _split(count)
    return node_hash(_range_root(start, middle, read), _range_root(middle, end, read))


def _split(count: int) -> int:
    """The largest power of two below count (count ≥ 2): where RFC 6962 divides a tree."""
    return 1 << (count - 1).bit_length() - 1


def inclusion_proof(index: int, size: int, read: NodeReader) -> list[bytes]:
    """The hashes that lead from leaf `index` to the root over `size` leaves, leaf side first.

    ValueError unless 0 ≤ index < size.
    """
    if not 0 <= index < size:
        raise ValueError(f"index {index} is not in a tree of {size}")

    def path(start: int, end: int) -> Iterator[bytes]:
        if end - start == 1:
            return
        middle = start + _split(end - start)
        if index < middle:
            yield from path(start, middle)
            yield _range_root(middle, end, read)
        else:
            yield from path(middle, end)
            yield _range_root(start, middle, read)

    return list(path(0, size))


def consistency_proof(first: int, second: int, read: NodeReader) -> list[bytes]:
    """The hashes that show the tree of size `second` to begin with that of size `first`.

    Empty when nothing is to be shown (first is 0 or equals second); ValueError unless 0 ≤ first ≤ second.
    """
    if not 0 <= first <= second:
        raise ValueError(f"sizes {first} and {second} are not in order")

    def path(start: int, end: int, known: bool) -> Iterator[bytes]:
        if end == first:
            if not known:
                yield _range_root(start, end, read)
            return
        middle = start + _split(end - start)
        if first <= middle:
            yield from path(start, middle, known)
            yield _range_root(middle, end, read)
        else:
            yield from path(middle, end, False)
            yield _range_root(start, middle, read)

    return [] if first == 0 else list(path(0, second, True))


def cover(start: int, end: int) -> Iterator[tuple[int, int]]:
    """(level, index) of the nodes over the leaves [start, end), first to last: each as large as its place allows."""
    at = start
    while at < end:
        level = (end - at).bit_length() - 1
        if at:
            level = min(level, (at & -at).bit_length() - 1)
        yield level, at >> level
        at += 1 << level
