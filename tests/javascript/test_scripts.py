"""The scripts of the pages under Node.js: their own tests, and what they have to do as the server does."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tallystick.search.tokens import quoted
from tallystick.web.filter_links import filter_links
from tallystick.web.filters import Filters
from tests.javascript.conftest import SCRIPTS
from tests.web.happenings import ZOO

FILES = sorted(Path(__file__).parent.glob("*.test.js"))
SEARCHES = [
    "",
    "deploy",
    "a OR b",
    "(a OR b) c",
    "ORDER",
    "éOR",
    "OR",
    "user:x session:s",
    "user:xy",
    "-user:x",
    "session:x session:s",
]
VALUES = [
    *ZOO, "s", "x", "Sarah Lin", 'a "quoted" name', "(x)", "-x", ":x", "OR", "a:b", "2001:db8::1", "王", "a\\b", "a\tb",
    "*", "'", "C:\\dir name", "🙂 smile",
]  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix(".test.js"))
def test_the_tests_of_the_scripts_pass(node, path):
    result = node("--test", "--test-reporter=spec", str(path))
    assert result.returncode == 0, result.stdout + result.stderr
    assert int(re.search(r"tests (\d+)", result.stdout)[1]) > 0


def _evaluate(node, function: str, calls: list[list[object]]) -> list[object]:
    """What the function of search_terms.js returns for each list of arguments."""
    module = json.dumps((SCRIPTS / "search_terms.js").as_uri())
    source = (
        f"import {{ {function} }} from {module};"
        "import { readFileSync } from 'node:fs';"
        "const calls = JSON.parse(readFileSync(0, 'utf8'));"
        f"console.log(JSON.stringify(calls.map((call) => {function}(...call))));"
    )
    result = node("--input-type=module", "--eval", source, text=json.dumps(calls))
    assert result.returncode == 0, result.stderr
    answers: list[object] = json.loads(result.stdout)
    return answers


def test_a_term_is_added_to_a_search_as_the_link_without_scripts_adds_it(node):
    calls, expected = [], []
    for search in SEARCHES:
        for value in VALUES:
            links = filter_links(Filters(q=search), "/audit-logs", "session", value)
            for link, term in ((links.show_only, links.term), (links.exclude, f"-{links.term}")):
                if link:
                    calls.append([search, term])
                    expected += parse_qs(urlsplit(link).query)["q"]
    assert len(calls) > 500
    assert _evaluate(node, "addTerm", calls) == expected


def test_the_search_box_reads_a_quoted_value_as_the_server_wrote_it(node):
    values = [*VALUES, 'a\\"b', "a\\*b", '\\\\"']
    typed = [f"deploy -user:{quoted(value)[:-1]}" for value in values]
    words = _evaluate(node, "wordBefore", [[text, len(text.encode("utf-16-le")) // 2] for text in typed])
    assert [word["value"] for word in words] == values
