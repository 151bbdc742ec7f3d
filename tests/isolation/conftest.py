"""One server with organizations that have the same things."""

from collections.abc import Iterator

import pytest

from tallystick.database.engine import Database
from tests.api.api_client import Operator
from tests.fixtures.servers import Starter
from tests.isolation.prepared import Prepared


@pytest.fixture(scope="package")
def town(start_shared_server: Starter) -> Iterator[dict[str, Prepared]]:
    """Acme and Beta, and those that tests add."""
    server = start_shared_server()
    database = Database(f"sqlite:///{server.data_dir / 'tallystick.db'}")
    made = {slug: Prepared(server, database, slug) for slug in ("acme", "beta")}
    for organization in made.values():
        organization.furnish()
    yield made
    database.close()


@pytest.fixture(scope="package")
def operator(town: dict[str, Prepared]) -> Operator:
    """Who makes further organizations on that server."""
    return Operator(town["acme"].server.url, town["acme"].database)


@pytest.fixture(scope="package")
def acme(town: dict[str, Prepared]) -> Prepared:
    """The organization whose things are tried."""
    return town["acme"]


@pytest.fixture(scope="package")
def beta(town: dict[str, Prepared]) -> Prepared:
    """The one that may not have them."""
    return town["beta"]


@pytest.fixture(scope="module")
def spare(town: dict[str, Prepared]) -> Prepared:
    """One whose things may be used up, for each module anew."""
    acme = town["acme"]
    made = Prepared(acme.server, acme.database, f"spare-{len(town)}")
    made.furnish()
    town[made.slug] = made
    return made
