"""What is installed is declared, locked by hash, and used."""

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions, requires

import pytest

from tests.house.tree import ROOT, modules, name, parsed

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Used without an import of ours: by a URL, by name, or by a library for us.
INDIRECT = {"httptools", "uvloop", "psycopg", "tzdata", "chdb-core", "uharfbuzz"}

# Required by our libraries for what we do not use, and by their names in Python; see `lock` in the Makefile. That the
# product runs without them is shown by tests/cli/test_lean_installation.py.
LEFT_OUT = {"faker": "faker", "polyfactory": "polyfactory", "pandas": "pandas", "python-dateutil": "dateutil"}


def _plain(requirement: str) -> str:
    return re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0].lower().replace("_", "-").replace(".", "-")


def _declared(*extras: str) -> set[str]:
    wanted = list(PROJECT["dependencies"])
    for extra in extras:
        wanted += PROJECT["optional-dependencies"][extra]
    return {_plain(requirement) for requirement in wanted}


def _locked(path: str) -> dict[str, str]:
    """Each locked requirement with its lines."""
    text = (ROOT / path).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-zA-Z])", text, flags=re.MULTILINE)
    return {_plain(entry): entry for entry in entries if entry and entry[0].isalpha()}


@pytest.mark.parametrize(
    ("path", "extras"),
    [("requirements.txt", ["build"]), ("requirements-dev.txt", ["build", "dev"])],
    ids=["product", "tests"],
)
def test_every_declared_dependency_is_locked(path, extras):
    assert _declared(*extras) - _locked(path).keys() == set()


@pytest.mark.parametrize("path", ["requirements.txt", "requirements-dev.txt"])
def test_every_locked_requirement_has_an_exact_version_and_hashes_and_no_address(path):
    loose = [
        entry for entry in _locked(path).values() if "==" not in entry.splitlines()[0] or "--hash=sha256:" not in entry
    ]
    assert loose == []
    assert "://" not in (ROOT / path).read_text(encoding="utf-8")


def test_the_tests_run_on_the_versions_of_the_product():
    product, tests = _locked("requirements.txt"), _locked("requirements-dev.txt")
    assert [one for one in product if product[one].splitlines()[0] != tests[one].splitlines()[0]] == []


def test_the_lock_of_the_product_leaves_out_what_nothing_here_uses():
    assert _locked("requirements.txt").keys() & LEFT_OUT.keys() == set()


def test_the_lock_of_the_product_holds_nothing_that_nothing_requires():
    """Beside what is declared, everything is required by something that is locked, on some platform."""
    locked = _locked("requirements.txt").keys()
    required = {_plain(one) for name in locked & _names() for one in requires(name) or ()}
    assert locked - required - _declared("build") == set()


def _names() -> set[str]:
    return {_plain(name) for names in packages_distributions().values() for name in names}


def _imported() -> dict[str, str]:
    """The first name of every import of the product that is neither its own nor Python's, with a file that has it."""
    found: dict[str, str] = {}
    for path in modules():
        for node in ast.walk(parsed(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
                if node.module == "backports":
                    names = [f"backports.{alias.name}" for alias in node.names]
            found |= {one if one.startswith("backports.") else one.split(".")[0]: name(path) for one in names}
    return {
        one: path
        for one, path in found.items()
        if one not in sys.stdlib_module_names and one not in ("tallystick", "compression")
    }


@cache
def _installed() -> Mapping[str, list[str]]:
    return packages_distributions()


def _distribution(imported: str) -> str:
    if imported.startswith("backports."):
        return _plain(imported)
    return _plain(_installed().get(imported, [imported])[0])


def test_the_product_imports_only_what_it_declares():
    undeclared = {one: path for one, path in _imported().items() if _distribution(one) not in _declared()}
    assert undeclared == {}


def test_nothing_is_declared_that_the_product_does_not_use():
    used = {_distribution(one) for one in _imported()}
    assert _declared() - used - INDIRECT == set()


def test_continuous_integration_calls_make_test_and_nothing_else():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines == ["#!/usr/bin/env bash", "exec make test"]
