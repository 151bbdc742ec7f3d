"""The layout of tlog-tiles: paths, widths, where a node lies."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.merkle.tiles import Tile, locate_node, node_in, width_of
from tallystick.merkle.tree import perfect_root

PATHS = {
    "tile/0/000": Tile(0, 0),
    "tile/0/000.p/255": Tile(0, 0, 255),
    "tile/15/x455/667": Tile(15, 455667),
    "tile/15/x123/x456/789.p/41": Tile(15, 123456789, 41),
    "tile/0/x001/x234/067.p/8": Tile(0, 1234067, 8),
    "tile/entries/255.p/253": Tile("entries", 255, 253),
    "tile/entries/x001/x234/067.p/8": Tile("entries", 1234067, 8),
    "tile/63/x999/x999/x999/x999/x999/999.p/255": Tile(63, 999999999999999999, 255),
}
BAD_PATHS = [
    "tile/64/000", "tile/-1/000", "tile/abc/000", "tile/00/000", "tile/0/x001",
    "tile/0/001/002", "tile/0/x001/0002", "tile/0/x001/-002", "tile/0/0", "tile/0/x000/001",
    "tile/0/000.p/256", "tile/0/000.p/0", "tile/0/000.p/", "tile/0/000.p", "tile/0/000.p/007",
    "tile/0/000/", "tile/0//000", "tile/0/x999/x999/x999/x999/x999/x999/999", "tile/0/000.p/-1", "tile/0/٠٠٠",
    "tile/0", "tile/", "/tile/0/000", "tile/0/000.p/1/x", "tile/0/..",
    "", "tile/0/000\n", "tile/0/000 ", "tile/0/000.p/1\n",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_tile_has_the_path_that_tlog_tiles_gives_it(path: str) -> None:
    assert PATHS[path].path == path
    assert Tile.parse(path) == PATHS[path]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_any_other_way_to_write_a_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not the path of a tile"):
        Tile.parse(path)


@given(st.integers(0, 63) | st.just("entries"), st.integers(0, 2**63 - 1), st.integers(1, 256))
def test_every_tile_is_found_again_by_its_path(level: int, position: int, width: int) -> None:
    tile = Tile(level, position, width)
    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    ("size", "widths"),
    [
        (0, {(0, 0): 0}),
        (255, {(0, 0): 255, (1, 0): 0}),
        (256, {(0, 0): 256, (0, 1): 0, (1, 0): 1}),
        (257, {(0, 0): 256, (0, 1): 1}),
        (70000, {(0, 272): 256, (0, 273): 112, (0, 274): 0, (1, 0): 256, (1, 1): 17, (2, 0): 1, (3, 0): 0}),
    ],
)
def test_a_tile_is_as_wide_as_the_size_of_the_log_makes_it(size: int, widths: dict[tuple[int, int], int]) -> None:
    assert {place: width_of(*place, size) for place in widths} == widths


def test_a_node_lies_in_the_tile_that_tlog_tiles_says() -> None:
    assert locate_node(8, 123456789) == (1, 482253, 0, 21)


@given(st.integers(0, 63), st.integers(0, 2**40))
def test_a_place_covers_the_same_leaves_as_its_node(level: int, index: int) -> None:
    place = locate_node(level, index)
    hashes = place.position * 256 + (place.offset << place.height)
    assert hashes << 8 * place.level == index << level
    assert (place.offset + 1 << place.height) <= 256


@given(st.integers(0, 7), st.data())
def test_a_node_of_a_tile_is_the_root_over_its_hashes(height: int, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, (256 >> height) - 1))
    hashes = [sha256(bytes([number])).digest() for number in range(256)]
    below = hashes[offset << height : offset + 1 << height]
    assert node_in(b"".join(hashes), height, offset) == perfect_root(below)


def test_a_tile_that_is_too_narrow_has_no_such_node() -> None:
    with pytest.raises(IndexError, match="no node 1 at height 2"):
        node_in(bytes(32 * 7), 2, 1)
