"""Proofs: the known ones hold, those of any tree up to 300 leaves hold, and none that was touched does."""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.merkle import tree as server
from tallystick.merkle.tree import cover as server_cover
from tallystick.verify.tree import (
    EMPTY_ROOT,
    TreeBuilder,
    Unproven,
    check_consistency,
    check_inclusion,
    cover,
    leaf_hash,
    node_hash,
)
from tests.verify.vectors import CONSISTENCY, ENTRIES, INCLUSION, ROOTS, hashes

MANY = [sha256(number.to_bytes(4, "big")).digest() for number in range(300)]
sizes = st.integers(1, 300)


def root_by_definition(entries: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\0" + entries[0]).digest()
    half = 1
    while half * 2 < len(entries):
        half *= 2
    return sha256(b"\1" + root_by_definition(entries[:half]) + root_by_definition(entries[half:])).digest()


def nodes_of(entries: list[bytes]) -> server.NodeReader:
    """The server's reader over a tree by definition."""
    return lambda level, index: root_by_definition(entries[index << level : index + 1 << level])


def refused(check: Callable[..., None], *arguments: object) -> bool:
    with suppress(Unproven):
        check(*arguments)
        return False
    return True


def test_hashes_are_those_of_rfc_6962():
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_the_known_inclusion_proofs_hold(index, size):
    proof = hashes(INCLUSION[index, size])
    check_inclusion(index, size, leaf_hash(ENTRIES[index]), proof, bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("first", "second"), CONSISTENCY)
def test_the_known_consistency_proofs_hold(first, second):
    old, new = bytes.fromhex(ROOTS[first - 1]), bytes.fromhex(ROOTS[second - 1])
    check_consistency(first, second, old, new, hashes(CONSISTENCY[first, second]))


@settings(deadline=None)
@given(sizes, st.data())
def test_the_servers_inclusion_proofs_hold_by_the_naive_root(size, data):
    index = data.draw(st.integers(0, size - 1))
    proof = server.inclusion_proof(index, size, nodes_of(MANY))
    check_inclusion(index, size, leaf_hash(MANY[index]), proof, root_by_definition(MANY[:size]))


@settings(deadline=None)
@given(sizes, st.data())
def test_the_servers_consistency_proofs_hold_by_the_naive_roots(size, data):
    first = data.draw(st.integers(0, size))
    proof = server.consistency_proof(first, size, nodes_of(MANY))
    check_consistency(first, size, root_by_definition(MANY[:first]), root_by_definition(MANY[:size]), proof)


def touched(proof: list[bytes], root: bytes) -> dict[str, list[bytes]]:
    """The proof with each of the usual changes."""
    flips = {
        f"bit {bit} of hash {place}": [*proof[:place], flip(proof[place], bit), *proof[place + 1 :]]
        for place in range(len(proof))
        for bit in (0, 100, 255)
    }
    return flips | {
        "one more": [*proof, bytes(32)],
        "one before": [bytes(32), *proof],
        "the root after it": [*proof, root],
        "the root before it": [root, *proof],
        "one twice": [*proof, *proof[-1:]] if proof else [bytes(32)],
        "the last gone": proof[:-1] if proof else [bytes(32)],
        "the first gone": proof[1:] if proof else [bytes(32)],
        "in between": [*proof[:1], bytes(32), *proof[1:]],
        "a short hash": [*proof[:-1], proof[-1][:31]] if proof else [b""],
    }


def flip(raw: bytes, bit: int) -> bytes:
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize(("index", "size"), [*INCLUSION, (0, 1), (7, 8), (4, 5), (6, 7)])
def test_no_inclusion_proof_that_was_touched_holds(index, size):
    entries = ENTRIES[:size]
    leaf, root = leaf_hash(entries[index]), root_by_definition(entries)
    proof = server.inclusion_proof(index, size, nodes_of(entries))
    held = [
        what
        for what, wrong in touched(proof, root).items()
        if not refused(check_inclusion, index, size, leaf, wrong, root)
    ]
    assert held == []
    places = {
        (index - 1, size),
        (index + 1, size),
        (index ^ 2, size),
        (index, size * 2),
        (index, size // 2),
        (-1, size),
    }
    assert [place for place in places if not refused(check_inclusion, *place, leaf, proof, root)] == []
    roots = [EMPTY_ROOT, b"", bytes(32), flip(root, 9)]
    assert [wrong for wrong in roots if not refused(check_inclusion, index, size, leaf, proof, wrong)] == []
    assert refused(check_inclusion, index, size, flip(leaf, 3), proof, root)


@pytest.mark.parametrize(("first", "second"), [*CONSISTENCY, (4, 8), (3, 7), (1, 2)])
def test_no_consistency_proof_that_was_touched_holds(first, second):
    old, new = root_by_definition(ENTRIES[:first]), root_by_definition(ENTRIES[:second])
    proof = server.consistency_proof(first, second, nodes_of(ENTRIES))
    held = [
        what
        for what, wrong in touched(proof, new).items()
        if not refused(check_consistency, first, second, old, new, wrong)
    ]
    assert held == []
    for wrong in [(first - 1, second), (first + 1, second), (first ^ 2, second), (first, second * 2), (second, first)]:
        assert refused(check_consistency, *wrong, old, new, proof), wrong
    assert refused(check_consistency, first, second, new, old, proof)
    assert refused(check_consistency, first, second, old, EMPTY_ROOT, proof)
    assert refused(check_consistency, first, second, flip(old, 1), new, proof)
    assert refused(check_consistency, first, second, old, new, [])


def test_where_nothing_is_to_be_shown_nothing_may_be():
    root = root_by_definition(ENTRIES)
    check_consistency(8, 8, root, root, [])
    check_consistency(0, 8, EMPTY_ROOT, root, [])
    assert refused(check_consistency, 8, 8, root, root, [root])
    assert refused(check_consistency, 0, 8, EMPTY_ROOT, root, [root])
    assert refused(check_consistency, 8, 8, root, flip(root, 0), [])
    assert refused(check_consistency, 0, 8, root, root, [])


@settings(deadline=None)
@given(sizes, st.sets(st.integers(0, 299), max_size=40), st.integers(0, 300))
def test_any_leaves_and_the_cover_of_the_rest_give_the_root(size, chosen, watched):
    shown = sorted(index for index in chosen if index < size)
    folding, nodes = TreeBuilder(watched), nodes_of(MANY)
    for index in [*shown, size]:
        for level, place in server_cover(folding.size, index):
            folding.push(level, [nodes(level, place)])
        if index < size:
            folding.push(0, [leaf_hash(MANY[index])])
    assert folding.root() == root_by_definition(MANY[:size])
    assert folding.watched_root in (None, root_by_definition(MANY[:watched]))


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_both_sides_cover_a_gap_alike(start, length):
    assert list(cover(start, start + length)) == [level for level, _ in server_cover(start, start + length)]
    assert sum(1 << level for level in cover(start, start + length)) == length


@settings(deadline=None)
@given(st.lists(st.integers(0, 70), max_size=6), st.integers(0, 420))
def test_the_root_at_a_watched_size_is_that_of_the_leaves_so_far(steps, watched):
    folding = TreeBuilder(watched)
    at = 0
    leaves = [leaf_hash(sha256(bytes([n % 256, n // 256])).digest()) for n in range(sum(steps))]
    for step in steps:
        folding.push(0, leaves[at : at + step])
        at += step
    wanted = None
    if watched <= at:
        again = TreeBuilder()
        again.push(0, leaves[:watched])
        wanted = again.root()
    assert folding.watched_root == wanted
