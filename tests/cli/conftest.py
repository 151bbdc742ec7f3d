"""Fixtures of the command line's tests."""

from itertools import count

import pytest

from tests.cli.running import Member, operator
from tests.fixtures.servers import Server

__all__ = ["operator"]

NUMBERS = count(1)


@pytest.fixture
def member(server: Server) -> Member:
    """A fresh organization of the module's server, with a key."""
    return Member(server, f"org{next(NUMBERS)}")
