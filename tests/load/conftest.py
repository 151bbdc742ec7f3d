"""A server with two organizations, for the attacks of one module."""

from collections.abc import Iterator

import pytest

from tests.fixtures.servers import Starter
from tests.load.attack import Siege


@pytest.fixture(scope="module")
def siege(start_server: Starter) -> Iterator[Siege]:
    """A server of its own: what an attack leaves behind must not change another module's measurements."""
    server = start_server()
    yield Siege(server, "alerts", "exports")
    server.stop()
