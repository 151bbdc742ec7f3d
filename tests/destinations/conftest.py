"""A receiver, and a courier that may send to it."""

import pytest

from tests.destinations.destination_driver import Post
from tests.destinations.receiver import open_receiver


@pytest.fixture
def receiver():
    with open_receiver() as opened:
        yield opened


@pytest.fixture
def at(spine):
    made = Post(spine)
    yield made
    made.courier.close()
