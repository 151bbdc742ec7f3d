"""Files are named for a thing or an act, and packages say what they are."""

import ast

import pytest

from tests.house.tree import PACKAGE, modules, name, parsed, sources

# A drawer with such a label takes anything, so in time it holds everything.
FORBIDDEN = {
    "util", "utils", "helper", "helpers", "common", "base", "core", "service", "services", "manager", "managers",
    "model", "models", "view", "views", "type", "types", "misc", "shared", "lib",
}  # fmt: skip
DOCSTRING_LINES = 15
PACKAGES = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))


def test_no_module_is_named_for_a_drawer():
    assert [name(path) for path in sources(".py") if {path.stem, path.parent.name} & FORBIDDEN] == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_package_begins_with_a_docstring_of_at_most_15_lines(package):
    docstring = ast.get_docstring(parsed(package / "__init__.py")) or ""
    assert len(docstring.splitlines()) <= DOCSTRING_LINES
    assert len(docstring) >= 40, "say what it is and what it promises"


def test_every_module_says_in_its_first_line_what_it_is_for():
    assert [name(path) for path in sources(".py") if parsed(path).body and not ast.get_docstring(parsed(path))] == []


def test_every_first_line_ends_as_a_sentence():
    unfinished = [
        name(path) for path in modules() if (ast.get_docstring(parsed(path)) or ".").splitlines()[0][-1] not in ".:?"
    ]
    assert unfinished == []
