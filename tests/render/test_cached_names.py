"""What is made of names is kept in memory only if they are short: nobody fills the memory with names."""

import json

import pytest

from tallystick.render import csv_cells, fields, json_lines
from tallystick.search import event_block


def part(name: str) -> bytes:
    return json.dumps({"type": "user", "name": name}).encode()


@pytest.mark.parametrize(
    ("cached", "use"),
    [
        (csv_cells._cached_cell, csv_cells.cell),
        (event_block._cached_fold, event_block._fold),
        (fields._cached_actor, lambda name: fields.parse_actor(part(name))),
        (fields._cached_target, lambda name: fields.parse_target(part(name))),
        (fields._cached_summary, lambda name: fields.built_in_summary("a.b", "success", part(name), part(name))),
        (
            json_lines._cached_known_and_summary,
            lambda name: json_lines._known_and_summary("a.b", "success", part(name), part(name)),
        ),
    ],
)
def test_a_long_name_is_not_kept_and_has_the_same_result(cached, use):
    cached.cache_clear()
    use("A" * 1000)
    assert cached.cache_info().currsize == 0
    use("A")
    assert cached.cache_info().currsize == 1
    assert str(use("A")) == str(use("A" * 1000)).replace("A" * 1000, "A").replace("a" * 1000, "a")
