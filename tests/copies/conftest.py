"""Installations on each control database."""

from pathlib import Path

import pytest

from tests.copies.copies_driver import BrokenStorage, Installation
from tests.fixtures.spine import Spine


@pytest.fixture
def installation(spine: Spine, events_url: str, tmp_path: Path) -> Installation:
    return Installation(spine, events_url, tmp_path)


@pytest.fixture
def sqlite_installation(sqlite_spine: Spine, events_url: str, tmp_path: Path) -> Installation:
    return Installation(sqlite_spine, events_url, tmp_path, BrokenStorage(tmp_path / "copies"))
