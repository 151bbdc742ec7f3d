"""The tree: the vectors of others, RFC 6962 word for word, proofs checked as RFC 9162 says."""

import base64
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.merkle.tree import (
    EMPTY,
    EMPTY_ROOT,
    Edge,
    NodeReader,
    consistency_proof,
    extend,
    inclusion_proof,
    leaf_hash,
    leaf_hashes,
    node_hash,
    root_of,
)
from tests.verify.vectors import CONSISTENCY, ENTRIES, INCLUSION, ROOTS

sizes = st.integers(0, 300)


def entries_of(size: int) -> list[bytes]:
    return [sha256(number.to_bytes(4, "big")).digest() for number in range(size)]


def root_by_definition(entries: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\0" + entries[0]).digest()
    half = 1
    while half * 2 < len(entries):
        half *= 2
    left, right = root_by_definition(entries[:half]), root_by_definition(entries[half:])
    return sha256(b"\1" + left + right).digest()


def reader_of(entries: list[bytes]) -> NodeReader:
    """Gives the nodes of perfect subtrees over these entries, and refuses every other one."""

    def read(level: int, index: int) -> bytes:
        below = entries[index << level : index + 1 << level]
        assert len(below) == 1 << level
        return root_by_definition(below)

    return read


def inclusion_root(index: int, size: int, leaf: bytes, proof: list[bytes]) -> bytes:
    """RFC 9162 §2.1.3.2: the root that the proof leads to."""
    fn, sn, result = index, size - 1, leaf
    for node in proof:
        assert sn > 0
        if fn & 1 or fn == sn:
            result = node_hash(node, result)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = node_hash(result, node)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0
    return result


def consistency_roots(first: int, second: int, first_root: bytes, proof: list[bytes]) -> tuple[bytes, bytes]:
    """RFC 9162 §2.1.4.2: the two roots that the proof leads to (0 < first < second)."""
    path = [first_root, *proof] if first & first - 1 == 0 else proof
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = path[0]
    for node in path[1:]:
        assert sn > 0
        if fn & 1 or fn == sn:
            old, new = node_hash(node, old), node_hash(node, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, node)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0
    return old, new


def test_hashes_are_those_of_rfc_6962() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    assert base64.b64encode(leaf_hash(b"hello world")) == b"TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0="


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_known_tree(size: int) -> None:
    assert extend(EMPTY, leaf_hashes(ENTRIES[:size])).edge.root().hex() == ROOTS[size - 1]
    assert root_of(size, reader_of(ENTRIES)).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_proofs_are_those_of_the_known_tree(index: int, size: int) -> None:
    proof = inclusion_proof(index, size, reader_of(ENTRIES))
    assert [node.hex() for node in proof] == INCLUSION[index, size].split()


@pytest.mark.parametrize(("first", "second"), CONSISTENCY)
def test_consistency_proofs_are_those_of_the_known_tree(first: int, second: int) -> None:
    proof = consistency_proof(first, second, reader_of(ENTRIES))
    assert [node.hex() for node in proof] == CONSISTENCY[first, second].split()


@settings(deadline=None)
@given(st.lists(st.integers(0, 90), max_size=8))
def test_a_tree_grown_in_steps_has_the_root_and_the_edge_of_its_definition(steps: list[int]) -> None:
    entries, edge = entries_of(sum(steps)), EMPTY
    for step in steps:
        edge = extend(edge, leaf_hashes(entries[edge.size : edge.size + step])).edge
        assert edge == Edge.of(edge.size, reader_of(entries))
        assert edge.root() == root_by_definition(entries[: edge.size])


@settings(deadline=None)
@given(sizes, st.integers(1, 100))
def test_growing_tells_each_node_that_it_completes_and_no_other(before: int, step: int) -> None:
    entries = entries_of(before + step)
    read = reader_of(entries)
    completed = extend(Edge.of(before, read), leaf_hashes(entries[before:])).completed
    for level in range(12):
        expected = [read(level, index) for index in range(before >> level, before + step >> level)]
        assert (completed[level] if level < len(completed) else []) == expected


@settings(deadline=None)
@given(st.data(), st.integers(1, 300))
def test_an_inclusion_proof_leads_from_the_leaf_to_the_root(data: st.DataObject, size: int) -> None:
    index, entries = data.draw(st.integers(0, size - 1)), entries_of(size)
    proof = inclusion_proof(index, size, reader_of(entries))
    assert inclusion_root(index, size, leaf_hash(entries[index]), proof) == root_by_definition(entries)


@settings(deadline=None)
@given(st.data(), st.integers(2, 300))
def test_a_consistency_proof_leads_to_both_roots(data: st.DataObject, second: int) -> None:
    first, entries = data.draw(st.integers(1, second - 1)), entries_of(second)
    old, new = root_by_definition(entries[:first]), root_by_definition(entries)
    proof = consistency_proof(first, second, reader_of(entries))
    assert consistency_roots(first, second, old, proof) == (old, new)


@given(sizes)
def test_nothing_needs_showing_from_the_empty_tree_or_to_itself(size: int) -> None:
    assert consistency_proof(0, size, reader_of([])) == consistency_proof(size, size, reader_of([])) == []


@pytest.mark.parametrize(("index", "size"), [(0, 0), (8, 8), (-1, 8), (64, 8)])
def test_there_is_no_inclusion_proof_for_an_index_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="is not in a tree"):
        inclusion_proof(index, size, reader_of(ENTRIES))


@pytest.mark.parametrize(("first", "second"), [(3, 2), (-1, 5)])
def test_there_is_no_consistency_proof_backwards(first: int, second: int) -> None:
    with pytest.raises(ValueError, match="not in order"):
        consistency_proof(first, second, reader_of(ENTRIES))


@settings(deadline=None)
@given(sizes)
def test_an_edge_packs_into_the_bytes_it_is_unpacked_from(size: int) -> None:
    edge = Edge.of(size, reader_of(entries_of(size)))
    assert Edge.unpack(size, edge.pack()) == edge


def test_an_edge_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="does not belong to 4 entries"):
        Edge.unpack(4, extend(EMPTY, leaf_hashes(ENTRIES[:3])).edge.pack())
