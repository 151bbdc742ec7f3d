"""One server for all tests of the API, and organizations made beside it."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tallystick.database.engine import Database
from tests.api.api_client import ApiClient, Operator, plain_client
from tests.fixtures.servers import Server, Starter


@pytest.fixture(scope="session")
def running(start_shared_server: Starter) -> Server:
    """The server that the API's tests share."""
    return start_shared_server(TALLYSTICK_TRUSTED_PROXIES="127.0.0.1/32")


@pytest.fixture(scope="session")
def operator(running: Server) -> Iterator[Operator]:
    """Who makes organizations and keys on it."""
    database = Database(f"sqlite:///{running.data_dir / 'tallystick.db'}")
    yield Operator(running.url, database)
    database.close()


@pytest.fixture(scope="session")
def organization(operator: Operator) -> Callable[[], ApiClient]:
    """`organization()`: a new one, with a key that records and reads."""
    return operator.organization


@pytest.fixture(scope="session")
def stranger(running: Server) -> httpx.Client:
    """A client without a key."""
    return plain_client(running.url)


@pytest.fixture
def acme(operator: Operator) -> ApiClient:
    """A fresh organization."""
    return operator.organization()


@pytest.fixture(scope="module")
def lasting(operator: Operator) -> ApiClient:
    """One organization for the tests of a module that only look at what one event of theirs does."""
    return operator.organization()
