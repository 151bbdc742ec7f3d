"""A run in which a test is lost fails, and names the test."""

import pytest

from tests.house.tree import ROOT

pytest_plugins = "pytester"

TWO_TESTS = """
def test_one(): pass
def test_two(): pass
"""
SWALLOW_THE_SECOND = """
def pytest_runtest_protocol(item):
    return True if item.name == "test_two" else None
"""
COLLECT_THE_FIRST_TWICE = """
def pytest_collection_modifyitems(items):
    items.append(items[0])
"""
PROCESSES = pytest.mark.parametrize(
    "processes", [("-n", "0"), ("-n", "2", "--dist", "loadscope")], ids=["one process", "two workers"]
)


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """`run(conftest, *options)` runs two tests, with `conftest` beside them, in a pytest of their own."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(TWO_TESTS)

    def start(conftest: str, *options: str) -> pytest.RunResult:
        pytester.makeconftest(conftest)
        return pytester.runpytest_subprocess("-p", "xdist.plugin", "-p", "tests.fixtures.completeness", *options)

    return start


@PROCESSES
def test_a_run_in_which_every_test_is_reported_succeeds(run, processes):
    result = run("", *processes)
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["2 tests collected, 2 reported"])


@PROCESSES
def test_a_run_in_which_a_test_goes_unreported_fails_and_names_it(run, processes):
    result = run(SWALLOW_THE_SECOND, *processes)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["*tests that were collected but not reported*", "*::test_two", "2 tests collected, 1 reported"]
    )


@PROCESSES
def test_a_run_in_which_two_tests_share_a_node_id_fails_and_names_it(run, processes):
    result = run(COLLECT_THE_FIRST_TWICE, *processes)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "several tests share one node id:" in result.stdout.str() + result.stderr.str()
    assert "::test_one" in result.stdout.str() + result.stderr.str()


def test_a_run_that_is_stopped_at_its_first_failure_names_no_test_that_it_left_out(run):
    result = run("def pytest_runtest_call(item): assert False", "-x", "-n", "0")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "not reported" not in result.stdout.str()
