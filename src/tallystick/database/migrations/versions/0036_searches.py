"""Stored searches keep their meaning: stars and quotes can be escaped, and more signs mean something outside quotes.

What was a text before is written in quotes where it has such signs. This is a copy of the search language as it was
then: what it becomes later must not change what this migration reads.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

LONGEST = 2_000
PATTERNS = ("user", "action", "status", "category", "resource", "resource_type", "actor_type", "severity")
QUALIFIERS = (
    "user", "action", "category", "status", "resource", "type", "id", "session", "request", "trace", "external_id",
    "severity", "actor_type", "for", "recorded_by", "reason", "original", "user_agent", "source", "channel", "account",
    "region", "country", "network", "auth", "credential", "tool", "model", "mode", "ip", "after", "before", "on",
)  # fmt: skip
PARTS = ("changes", "request", "response", "metadata")

_TOKEN = re.compile(r'\s+|[()-]|"((?:\\"|[^"])*+)"|[^\s()"]+')
_PHRASE = re.compile(r'"((?:\\"|[^"])*+)"')
_BEFORE_STAR = re.compile(r"(?<!\\)(\\+)(?=\*)")
_BEFORE_QUOTE = re.compile(r'(?<!\\)(\\+)(?="|\Z)')
_TEXT = re.compile(r"[\w@/+%~:-]+(?:\.[\w@/+%~:-]+)*\.?|\.[\w-]+")
_VALUE = re.compile(r"[\w.@:/+*%~\\-]+")
_KEY = re.compile(r"[\w-]+")


def upgrade() -> None:
    """Rewrite the searches of rules, alerts, views, schedules, holds, open reviews and unfinished exports."""
    _rewrite("alert_rules", "shape", rewritten_rule)
    _rewrite("alerts", "search", rewritten_parameters)
    _rewrite("saved_views", "query", rewritten_url)
    _rewrite("export_schedules", "filter", rewritten_parameters)
    _rewrite("legal_holds", "query", rewritten)
    _rewrite("intake_rule_lists", "rules", rewritten_rules)
    _rewrite("intake_rule_lists", "next_rules", rewritten_rules)
    _rewrite("decisions", "proposal", rewritten_proposal, kind=("intake_rules",))
    # What was signed or exported stays as it was said then.
    _rewrite("reviews", "filter", rewritten_parameters, state=("open",))
    _rewrite("exports", "filter", rewritten_parameters, state=("queued", "running"))


def _rewrite(table: str, column: str, rewrite: Any, **only: tuple[str, ...]) -> None:
    rows = sa.table(table, sa.column(column, sa.Text), *(sa.column(name, sa.String) for name in only))
    wanted = [rows.c[name].in_(values) for name, values in only.items()]
    connection = op.get_bind()
    for before in connection.execute(sa.select(rows.c[column]).where(*wanted).distinct()).scalars().all():
        after = rewrite(before)
        if after != before:
            connection.execute(rows.update().where(rows.c[column] == before, *wanted).values({column: after}))


def rewritten(search: str) -> str:
    """The search as it is written now; unchanged if it could not be read, or would be too long."""
    found, at = [], 0
    while at < len(search):
        token = _TOKEN.match(search, at)
        if token is None:
            return search  # a quote that is not closed
        text, at = token[0], token.end()
        if text[0] == '"':
            text = _quoted(_unquoted(token[1]))
        elif not text[0].isspace() and text not in ("(", ")", "-", "AND", "OR", "NOT"):
            phrase = _PHRASE.match(search, at)
            if search[at : at + 1] == '"' and (phrase is None or not text.endswith(":")):
                return search  # a quote within a word
            at = phrase.end() if phrase else at
            text = _term(text, _unquoted(phrase[1]) if phrase else None)
        found.append(text)
    result = "".join(found)
    return result if len(result) <= LONGEST else search


def _term(word: str, phrase: str | None) -> str:
    """A word, or a qualifier or path with its value; `phrase` is the value if that is in quotes."""
    name, colon, value = word.partition(":")
    part, dot, _ = name.lower().partition(".")
    value = value if phrase is None else phrase
    if colon and name.lower() in QUALIFIERS:
        pattern = _BEFORE_STAR.sub(r"\1\1", value)
        is_plain = _VALUE.fullmatch(pattern) and ".." not in pattern
        return f"{name}:{pattern if is_plain else _in_quotes(pattern)}" if value else word
    if colon and dot and part in PARTS:
        keys = [key if _KEY.fullmatch(key) else _quoted(key) for key in name.split(".")]
        return f"{'.'.join(keys)}:{_plain_or_quoted(value)}" if value else word
    return _plain_or_quoted(word)


def _plain_or_quoted(text: str) -> str:
    return text if _TEXT.fullmatch(text) else _quoted(text)


def _unquoted(text: str) -> str:
    return text.replace('\\"', '"')


def _quoted(text: str) -> str:
    return _in_quotes(_BEFORE_STAR.sub(r"\1\1", text))


def _in_quotes(text: str) -> str:
    return '"' + _BEFORE_QUOTE.sub(r"\1\1", text).replace('"', '\\"') + '"'


def rewritten_value(name: str, value: str) -> str:
    """The value of a query parameter as it is written now."""
    if name == "q":
        return rewritten(value)
    return _BEFORE_STAR.sub(r"\1\1", value) if name in PATTERNS else value


def rewritten_parameters(text: str) -> str:
    """Query parameters as JSON: texts, or lists of texts, by name."""
    given = json.loads(text)
    after = {
        name: [rewritten_value(name, value) for value in values]
        if isinstance(values, list)
        else rewritten_value(name, values)
        for name, values in given.items()
    }
    return text if after == given else json.dumps(after, ensure_ascii=False, separators=(",", ":"))


def rewritten_url(text: str) -> str:
    """The query string of a URL."""
    given = parse_qsl(text, keep_blank_values=True)
    after = [(name, rewritten_value(name, value)) for name, value in given]
    return text if after == given else urlencode(after)


def rewritten_rule(text: str) -> str:
    """The definition of an alert rule as JSON."""
    given = json.loads(text)
    names = [name for name in ("query", "then", "unless") if isinstance(given.get(name), str)]
    return _changed(text, given, {name: rewritten(given[name]) for name in names})


def rewritten_rules(text: str) -> str:
    """A list of intake rules as JSON, or nothing."""
    if not text:
        return text
    given = json.loads(text)
    return _changed(text, given, _rules(given))


def rewritten_proposal(text: str) -> str:
    """Two lists of intake rules as JSON: before and after."""
    given = json.loads(text)
    return _changed(text, given, {name: _rules(rules) for name, rules in given.items()})


def _rules(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rule | {"query": rewritten(rule["query"])} for rule in rules]


def _changed(text: str, given: Any, changed: Any) -> str:
    after = given | changed if isinstance(given, dict) else changed
    return text if after == given else json.dumps(after, ensure_ascii=False, separators=(",", ":"))
