"""The workers that run the tests begin with what takes longest, and keep what a package shares."""

from tests.fixtures.distribution import MODULES, PACKAGES, next_module
from tests.house.tree import ROOT

LEFT = {
    "tests/web/test_audit_logs.py": 24, "tests/web/test_live.py": 9, "tests/api/test_doors.py": 57,
    "tests/merkle/test_tree.py": 80,
}  # fmt: skip


def test_every_package_and_module_that_is_put_first_is_there():
    assert [name for name in PACKAGES if not (ROOT / "tests" / name).is_dir()] == []
    assert [name for name in MODULES if not (ROOT / name).is_file()] == []


def test_a_worker_begins_the_longest_package_in_which_no_other_is():
    assert next_module(LEFT, None, []) == "tests/web/test_live.py"
    assert next_module(LEFT, None, ["web"]) == "tests/api/test_doors.py"
    assert next_module(LEFT, None, ["web", "api"]) == "tests/merkle/test_tree.py"


def test_a_worker_ends_its_package_before_it_begins_another():
    assert next_module(LEFT, "merkle", ["web"]) == "tests/merkle/test_tree.py"
    assert next_module(LEFT, "events", ["web"]) == "tests/api/test_doors.py"


def test_a_worker_without_a_package_of_its_own_helps_where_most_modules_are_left():
    assert next_module(LEFT, "events", ["web", "api", "merkle"]) == "tests/web/test_live.py"
