"""Templates: no value is printed past the one function that shows foreign text."""

import ast
import re

import pytest

from tests.house.tree import PACKAGE, modules, name, parsed, sources

TEMPLATES = [path for path in sources(".html", ".txt") if PACKAGE in path.parents and "templates" in path.parts]
FINALIZERS = ("display_value", "display_message_value")  # each shows text as `display_line`
# The API reference prints only what its own code says.
OWN_WORDS = {"src/tallystick/api/reference.py"}
# What a page sends back, copies or gives to its scripts; text that people read stands outside of these.
EXACT_PLACE = re.compile(r'\b(?:value|data-[a-z-]+)="$|<textarea\b[^>]*>\n?$')


def test_every_environment_shows_what_it_prints():
    found = [
        (path, call)
        for path in modules()
        for call in ast.walk(parsed(path))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Environment"
    ]
    assert {name(path) for path, _ in found} - OWN_WORDS
    for path, call in found:
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert given.get("finalize") in FINALIZERS or name(path) in OWN_WORDS, name(path)


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_no_template_prints_a_value_as_markup(path):
    assert re.findall(r"\|\s*safe\b|autoescape|Markup", path.read_text()) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_a_template_prints_exact_text_only_where_a_page_sends_or_copies_it(path):
    text = path.read_text()
    if path.suffix == ".txt":
        assert set(re.findall(r"\{\{(.*?)\|exact", text)) <= {' "%-*s"|format(width, (label|line) ~ ":")'}
        return
    for found in re.finditer(r"\{\{[^{}]*\|\s*exact\b", text):
        is_blank = found[0].startswith('{{ (" " * ')
        assert is_blank or EXACT_PLACE.search(text[: found.start()]), f"{name(path)}: {found[0]}"


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_a_form_sends_back_exactly_what_it_was_given(path):
    fields = re.findall(r'(?:\bvalue="|<textarea\b[^>]*>\n?)\{\{ (?!")((?:(?!\}\}).)*) \}\}', path.read_text())
    assert [field for field in fields if not field.endswith("|exact")] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_a_value_in_an_element_of_its_own_says_its_direction(path):
    undirected = re.findall(r"<bdi(?![^>]*\bdir=)[^>]*>\{\{ ([\w.]*)", path.read_text())
    assert set(undirected) <= {"line.match_snippet", "line.description"}


def test_only_the_filters_of_pages_write_markup():
    writers = {name(path) for path in modules() if re.search(r"\bMarkup\b", path.read_text())}
    assert writers == {"src/tallystick/web/display_filters.py", "src/tallystick/web/highlight.py"}
