"""Fixtures of the whole suite; each lives in tests/fixtures, in a file named for what it gives."""

pytest_plugins = [
    "tests.fixtures.completeness",
    "tests.fixtures.distribution",
    "tests.fixtures.network",
    "tests.fixtures.postgresql",
    "tests.fixtures.databases",
    "tests.fixtures.event_store",
    "tests.fixtures.spine",
    "tests.fixtures.servers",
    "tests.fixtures.s3_server",
    "tests.fixtures.browser",
]
