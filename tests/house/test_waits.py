"""What another thread or process does is waited for in one way: a test that looks once fails on a busy machine."""

import re

import pytest

from tests.house.tree import ROOT

# What a test must not write, and what it writes instead.
FORBIDDEN = {
    r"deadline\b.*time\.monotonic\(\)|time\.monotonic\(\).*\bdeadline\b": "tests.fixtures.waiting.wait_until",
    r"\.log\.read_(text|bytes)\(\)": "Server.log_line, wait_for_output or complete_log",
    r"bind\(\(\"127\.0\.0\.1\", 0\)\)": "find_free_port of tests.fixtures.network, or create_server",
    r"wait_for_timeout\(": "expect, or expect_request and expect_response",
}
OTHERS = {"fixtures", "house", "screenshots"}
EXCEPTIONS = {("axe.py", r"wait_for_timeout\("): "looks whether the page stands still"}


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_no_test_has_a_wait_of_its_own(pattern: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path.relative_to(ROOT).parts[1] not in OTHERS and (path.name, pattern) not in EXCEPTIONS
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(pattern, line)
    ]
    assert found == [], f"use {FORBIDDEN[pattern]}"
