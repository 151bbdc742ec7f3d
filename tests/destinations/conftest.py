"""A receiver, and a worker that may deliver to it."""

import pytest

from tests.destinations.destination_driver import DeliveryDriver
from tests.destinations.receiver import open_receiver


@pytest.fixture
def receiver():
    with open_receiver() as opened:
        yield opened


@pytest.fixture
def at(spine):
    made = DeliveryDriver(spine)
    yield made
    made.worker.close()
