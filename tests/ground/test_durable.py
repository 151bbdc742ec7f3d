"""A file is replaced completely or not at all."""

import pytest

from tallystick.durable import replace_file


def test_a_file_has_its_new_content_once_the_block_ends(tmp_path):
    path, unfinished = tmp_path / "kept", tmp_path / "kept.new"
    path.write_bytes(b"before")
    with replace_file(path, unfinished) as file:
        file.write(b"after")
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"
    assert not unfinished.exists()


def test_a_block_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path):
    path, unfinished = tmp_path / "kept", tmp_path / "kept.new"
    path.write_bytes(b"before")
    with pytest.raises(RuntimeError), replace_file(path, unfinished) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"before"
    assert not unfinished.exists()


def test_a_file_that_another_process_left_unfinished_is_not_written_to(tmp_path):
    path, unfinished = tmp_path / "kept", tmp_path / "kept.new"
    with unfinished.open("wb") as left_over:
        with replace_file(path, unfinished) as file:
            file.write(b"ours")
        left_over.write(b"theirs")
    assert path.read_bytes() == b"ours"


def test_only_the_owner_may_read_the_file(tmp_path):
    path = tmp_path / "kept"
    with replace_file(path, tmp_path / "kept.new") as file:
        file.write(b"secret")
    assert path.stat().st_mode & 0o777 == 0o600
