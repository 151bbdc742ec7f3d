"""Fixtures of the whole suite; each lives in tests/fixtures, in a file named for what it gives."""

import httpx
from hypothesis import settings

from tests.fixtures.sizes import FULL
from tests.fixtures.waiting import PATIENCE_SECONDS

pytest_plugins = [
    "tests.fixtures.completeness",
    "tests.fixtures.distribution",
    "tests.fixtures.network",
    "tests.fixtures.postgresql",
    "tests.fixtures.event_store",
    "tests.fixtures.clickhouse_server",
    "tests.fixtures.databases",
    "tests.fixtures.spine",
    "tests.fixtures.servers",
    "tests.fixtures.s3_server",
    "tests.fixtures.browser",
]

# Every run has the same examples, `make chaos` new ones; a limit of seconds would only speak of the machine.
settings.register_profile("tallystick", deadline=None, derandomize=not FULL)
settings.load_profile("tallystick")

# A request of a test waits as long as everything else does: the 5 seconds of httpx can pass on a busy machine.
for limit in ("connect", "read", "write", "pool"):
    setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, limit, PATIENCE_SECONDS)
