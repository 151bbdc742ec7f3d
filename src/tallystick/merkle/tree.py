"""The RFC 6962 tree: hashes, the growing right edge, roots, inclusion and consistency proofs.

A node is named by its level (0 = leaves) and its index at that level: it is the root of the perfect subtree over
the leaves [index * 2^level, (index + 1) * 2^level). Only such nodes are stored, since they never change once their
leaves exist. The nodes of an incomplete right side depend on the size of the tree; they are computed from perfect
ones as RFC 6962 §2.1 and RFC 9162 §2.1 define.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple, Self

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

NodeReader = Callable[[int, int], bytes]
"""`reader(level, index)` returns the hash of that perfect node; it is called only for nodes that the tree has."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf (RFC 6962 §2.1): 0x00 and the entry."""
    return sha256(b"\0" + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """The leaf hashes of many entries, without a call for each."""
    return [sha256(b"\0" + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node (RFC 6962 §2.1): 0x01 and both children."""
    return sha256(b"\1" + left + right).digest()


def _next_level(nodes: Iterable[bytes]) -> list[bytes]:
    """The parents of adjacent nodes, of which the first is a left child; an odd last node has no parent yet."""
    one = iter(nodes)  # the iterator twice in `zip` takes two nodes at a time
    return [sha256(b"\1" + left + right).digest() for left, right in zip(one, one, strict=False)]


def perfect_root(nodes: Sequence[bytes]) -> bytes:
    """The root over 2^k nodes of one level (k ≥ 0)."""
    while len(nodes) > 1:
        nodes = _next_level(nodes)
    return nodes[0]


def peaks_of(size: int) -> list[tuple[int, int]]:
    """(level, index) of the perfect subtrees that make up a tree of this size, largest first.

    There is one for each 1 in the binary form of the size: 11 = 8 + 2 + 1 leaves.
    """
    levels = [level for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1]
    return [(level, (size >> level) - 1) for level in levels]


class Edge(NamedTuple):
    """The right edge of a tree: its size and the hashes of its peaks, largest first.

    It is all that appending needs: at most 64 hashes, however large the tree.
    """

    size: int
    peaks: tuple[bytes, ...]

    @classmethod
    def of(cls, size: int, read: NodeReader) -> Self:
        """The edge of the tree over the first `size` leaves, read from its nodes."""
        return cls(size, tuple([read(level, index) for level, index in peaks_of(size)]))

    @classmethod
    def unpack(cls, size: int, packed: bytes) -> Self:
        """The edge from the bytes of `pack()`; ValueError when their length does not fit the size."""
        if len(packed) != HASH_BYTES * size.bit_count():
            raise ValueError(f"an edge of {len(packed)} bytes does not belong to {size} entries")
        return cls(size, tuple([packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)]))

    def pack(self) -> bytes:
        """The peaks concatenated, 32 bytes each."""
        return b"".join(self.peaks)

    def root(self) -> bytes:
        """The root of the tree (MTH of RFC 6962 §2.1)."""
        if not self.peaks:
            return EMPTY_ROOT
        # RFC 6962 splits at the largest power of two, so the largest peak is the left child of the root and all
        # smaller ones are below the right child: the smallest two are joined first.
        folded = self.peaks[-1]
        for peak in self.peaks[-2::-1]:
            folded = node_hash(peak, folded)
        return folded


class Growth(NamedTuple):
    """The result of appending leaves: the new edge and, for each level, the nodes that were completed.

    `completed[level]` begins at node index `old size >> level`; the list ends with the last level that has any.
    """

    edge: Edge
    completed: list[list[bytes]]


EMPTY = Edge(0, ())


def extend(edge: Edge, leaves: list[bytes], level: int = 0) -> Growth:
    """Append leaf hashes to a tree; costs one hash for each completed node, however large the tree.

    With `level`, `leaves` are roots of perfect subtrees of that height instead, and the edge's size must be a multiple
    of 2^level; `completed` then begins at that level.
    """
    # Level by level, as in binary addition. A peak at a height is a left child without its right sibling: the first
    # new node of that height is the sibling, so the peak goes in front of the new nodes and is consumed. If the row
    # then has an odd length, its last node has no sibling yet and is the new peak of that height. Parents of the pairs
    # are the new nodes one level up. The loop ends at the first level without new nodes, so higher peaks stay.
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
    """The root over the first `size` leaves, also when the tree has grown since."""
    return Edge.of(size, read).root()


def _range_root(start: int, end: int, read: NodeReader) -> bytes:
    """The root over the leaves [start, end), where start < end and start is a multiple of a power of two ≥ end - start.

    Reads at most one node for each level: only the right side can be incomplete.
    """
    count = end - start
    level = count.bit_length() - 1
    if count == 1 << level:
        return read(level, start >> level)
    middle = start + _split(count)
    return node_hash(_range_root(start, middle, read), _range_root(middle, end, read))


def _split(count: int) -> int:
    """The number of leaves in the left half of a tree (RFC 6962 §2.1): the largest power of two below count (≥ 2)."""
    return 1 << (count - 1).bit_length() - 1


def inclusion_proof(index: int, size: int, read: NodeReader) -> list[bytes]:
    """The inclusion proof (RFC 9162 §2.1.3) of leaf `index` in the tree of `size` leaves.

    The siblings on the path to the root, from the leaf up: at most ⌈log2(size)⌉ hashes of 32 bytes. ValueError
    unless 0 ≤ index < size.
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
    """The consistency proof (RFC 9162 §2.1.4) that the tree of `second` leaves begins with the tree of `first` leaves.

    Empty when first is 0 or equals second; ValueError unless 0 ≤ first ≤ second.
    """
    if not 0 <= first <= second:
        raise ValueError(f"sizes {first} and {second} are not in order")

    # `known`: every step so far went left, so the subtree that ends at `first` is the whole first tree, whose root
    # the verifier has. After a step to the right it is only the last piece of it, and its root must be in the proof.
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
    """(level, index) of the fewest perfect nodes that together span the leaves [start, end), from left to right.

    At most 2 log2(end - start) nodes: their sizes grow, then shrink.
    """
    # A node at `at` may span 2^level leaves if `at` is a multiple of that (its lowest set bit; 0 is a multiple of
    # everything) and they do not reach past `end`.
    at = start
    while at < end:
        level = (end - at).bit_length() - 1
        if at:
            level = min(level, (at & -at).bit_length() - 1)
        yield level, at >> level
        at += 1 << level
