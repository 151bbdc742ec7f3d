"""The documentation is held to the code: what exists is documented, what is documented exists."""

import re
from datetime import date
from pathlib import Path

import pytest

from tallystick.access.scopes import PERMISSIONS, ROLES
from tallystick.api.query_parameters import FIND
from tallystick.api.routes import ROUTES
from tallystick.clock import now_us
from tallystick.events.incoming import Actor, Context, EventInput, Resource
from tallystick.events.output import ADDED
from tallystick.search.grammar import parse
from tallystick.search.qualifiers import NAMES as QUALIFIERS
from tests.house.pages import PAGES
from tests.house.tree import PACKAGE, ROOT, name, sources

README = ROOT / "README.md"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
README_LINES = 150


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_comes_from_the_code_is_as_the_code_is(path):
    assert _text(path) == PAGES[path](), "run: make docs"


def test_every_relative_link_leads_to_a_file():
    dead = [
        f"{name(page)}: {target}"
        for page in sources(".md")
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target
        and not target.startswith(("#", "mailto:"))
        and not (page.parent / target.partition("#")[0]).exists()
    ]
    assert dead == []


def test_every_page_of_the_documentation_is_reached_from_the_readme():
    reached: set[Path] = set()
    waiting = [README]
    while waiting:
        page = waiting.pop().resolve()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        targets = LINK.findall(page.read_text(encoding="utf-8"))
        waiting += [
            page.parent / target.partition("#")[0] for target in targets if "://" not in target and target[0] != "#"
        ]
    assert [name(page) for page in sources(".md") if page.resolve() not in reached] == []


def test_the_readme_is_short_and_names_the_two_commands_first():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) < README_LINES
    commands = re.findall(r"^(?:\$ )?(make \w+|tallystick \w+|curl|git clone|docker)\b", "\n".join(lines), re.MULTILINE)
    assert commands[:2] == ["make run", "make test"]


@pytest.mark.parametrize("struct", [EventInput, Actor, Resource, Context], ids=lambda struct: struct.__name__)
def test_every_field_of_an_event_is_documented(struct):
    page = _text("docs/reference/event.md")
    assert [field for field in struct.__struct_fields__ if f"`{field}`" not in page] == []


def test_every_field_that_an_answer_adds_is_documented():
    page = _text("docs/reference/event.md")
    assert [field for field in ADDED if f"`{field}`" not in page] == []


def test_every_parameter_of_finding_is_documented():
    page = _text("docs/reference/api.md")
    assert [one["name"] for one in FIND if f"`{one['name']}`" not in page] == []


def test_every_path_of_the_api_is_documented():
    page = _text("docs/reference/api.md")
    paths = {re.sub(r":\w+\}", "}", path) for handler in ROUTES for path in handler.paths}
    assert [path for path in paths if f"{path}`" not in page and not path.startswith("/docs/")] == []


def test_every_qualifier_is_documented_and_every_documented_search_can_be_read():
    page = _text("docs/reference/search.md")
    assert [name for name in QUALIFIERS if f"`{name}:`" not in page] == []
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    searches = [
        search for row in rows for cell in row for search in re.findall(r"`([^`]+)`", cell) if search[-1] != ":"
    ]
    assert len(searches) > 25
    for search in searches:
        parse(search, now=now_us())


def test_every_role_and_scope_is_documented():
    page = _text("docs/reference/access.md")
    assert [word for word in (*ROLES, *PERMISSIONS) if f"`{word}`" not in page] == []


def test_the_architecture_names_every_package_and_every_module_it_names_exists():
    page = _text("ARCHITECTURE.md")
    packages = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    assert [package for package in packages if f"{package}/" not in page] == []
    modules = re.findall(r"`((?:\w+/)+\w+\.py)`", page)
    assert [module for module in modules if not (PACKAGE / module).exists()] == []
    assert len(modules) > 10


def test_the_changelog_lists_versions_from_new_to_old_in_sentences():
    text = _text("CHANGELOG.md")
    dates = re.findall(r"^## \d+\.\d+\.\d+ — (\d{4}-\d{2}-\d{2})$", text, re.MULTILINE)
    assert [date.fromisoformat(day) for day in dates] == sorted(map(date.fromisoformat, dates), reverse=True)
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert len(headings) == len(dates) + ("Unreleased" in headings)
    entries = re.findall(r"^- (.*(?:\n  .*)*)", text, re.MULTILINE)
    assert entries
    assert [entry for entry in entries if not re.match(r"[A-Z`]", entry) or not entry.rstrip().endswith(".")] == []


def test_every_test_that_a_page_names_exists():
    named = {
        (name(page), path) for page in sources(".md") for path in re.findall(r"`(tests/[\w/.]+)", page.read_text())
    }
    assert len(named) > 40
    assert sorted(path for path in named if not (ROOT / path[1]).exists()) == []
