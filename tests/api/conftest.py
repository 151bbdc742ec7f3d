"""One server for all tests of the API, and organizations made beside it as the operator makes them."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from tallystick.access import keys, organizations
from tallystick.access.scopes import operator_scope
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.ledger import log
from tests.api.asking import Asking
from tests.fixtures.servers import Server, Starter

READ_AND_WRITE = ("events:write", "events:read")
MakeKey = Callable[..., Asking]


@pytest.fixture(scope="session")
def running(start_server: Starter) -> Server:
    """The server that the API's tests share."""
    return start_server(TALLYSTICK_TRUSTED_PROXIES="127.0.0.1/32")


@pytest.fixture(scope="session")
def control(running: Server) -> Iterator[Database]:
    """Its control database, as the operator's commands open it."""
    opened = Database(f"sqlite:///{running.data_dir / 'tallystick.db'}")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def make_key(running: Server, control: Database) -> MakeKey:
    """`make_key(org_id, *scopes, **more)`: one more key of an organization."""

    def make(org_id: uuid.UUID, *scopes: str, **more: object) -> Asking:
        with control.write() as connection:
            token = keys.create_key(
                connection,
                operator_scope(org_id),
                "test",
                scopes or READ_AND_WRITE,
                now=now_us(),
                **more,  # type: ignore[arg-type]
            )
        return Asking(running.url, org_id, str(token))

    return make


@pytest.fixture(scope="session")
def organization(control: Database, make_key: MakeKey) -> Callable[..., Asking]:
    """`organization()`: a new one that holds no events but those of its own making."""

    def make(days: int = 3650) -> Asking:
        now = now_us()
        with control.write() as connection:
            made = organizations.create(connection, f"o-{uuid.uuid4().hex[:20]}", "Test", "enterprise", days, now=now)
            log.create(connection, made.org_id, now=now)
        return make_key(made.org_id)

    return make


@pytest.fixture
def acme(organization: Callable[[], Asking]) -> Asking:
    """A fresh organization."""
    return organization()


@pytest.fixture(scope="module")
def lasting(organization: Callable[[], Asking]) -> Asking:
    """One organization for the tests of a module that only look at what one event of theirs does."""
    return organization()
