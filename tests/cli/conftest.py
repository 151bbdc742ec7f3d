"""Fixtures of the command line's tests."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.cli.running import Member, operator
from tests.fixtures.servers import Server, Starter

__all__ = ["operator"]

NUMBERS = count(1)


@pytest.fixture(scope="session")
def server(start_shared_server: Starter) -> Iterator[Server]:
    """One server for all tests of the command line; they keep apart by their organizations."""
    running = start_shared_server()
    yield running
    running.stop()


@pytest.fixture
def member(server: Server) -> Member:
    """A fresh organization of the server, with a key."""
    return Member(server, f"org{next(NUMBERS)}")


@pytest.fixture
def another_member(server: Server) -> Member:
    """One more organization of the server, with a key."""
    return Member(server, f"org{next(NUMBERS)}")
