"""Tables that fit the terminal, and usage errors that say what to write."""

import io
import json
import sys

import pytest
from rich.console import Console

from tallystick.cli import terminal
from tests.cli.running import run_here

ID = "alr_01m8jffdd0fz288jkqeqrqh9q0"
SENTENCE = "A deployment of api-infrastructure by sarah@acme.com failed."
ROW = (ID, "2026-11-29 01:42:23", "warning", "Deployment Failed", SENTENCE)
TITLES = ("Alert", "Fired", "Severity", "Rule", "What happened")


def printed(monkeypatch: pytest.MonkeyPatch, width: int) -> list[str]:
    monkeypatch.setattr(terminal, "stdout", Console(width=width, file=io.StringIO(), highlight=False))
    terminal.print_table(TITLES, [ROW, ROW], whole=("Alert", "Fired"))
    return terminal.stdout.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_line_of_a_table_is_wider_than_the_terminal(monkeypatch, width):
    assert max(map(len, printed(monkeypatch, width))) <= width


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_word_of_a_table_is_broken(monkeypatch, width):
    words = " ".join(printed(monkeypatch, width)).split()
    assert {"api-infrastructure", "sarah@acme.com", ID}.issubset(words)


def test_a_wide_terminal_shows_columns_with_titles(monkeypatch):
    assert printed(monkeypatch, 200)[0].split() == " ".join(TITLES).split()


def test_an_empty_table_prints_nothing(monkeypatch):
    monkeypatch.setattr(terminal, "stdout", Console(width=80, file=io.StringIO()))
    terminal.print_table(TITLES, [])
    assert terminal.stdout.file.getvalue() == ""


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("search", "-failed"), "put -- before it: tallystick search -- -failed"),
        (("tail", "deploy", "-failed"), "put -- before it: tallystick tail -- -failed"),
        (
            ("user", "create", "sarah@acme.com", "--org", "acme", "--role", "viewer"),
            "Unknown role 'viewer'. Choose owner, admin, auditor or member.",
        ),
        (("export", "--format", "xls"), "Unknown format 'xls'. Choose csv, json, ndjson, pdf, parquet or bundle."),
        (("search", "--nowhere"), "No such option: --nowhere. See: tallystick search --help"),
        (("user", "create"), "See: tallystick user create --help"),
    ],
)
def test_a_usage_error_says_what_to_write(arguments, advice):
    done = run_here(*arguments, environ={})
    assert done.returncode == 2
    assert advice in " ".join(done.stderr.split())


def test_a_command_without_arguments_shows_its_help():
    done = run_here("user", environ={})
    assert (done.returncode, done.stderr) == (2, "")
    assert "Usage: tallystick user" in done.stdout


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_json_is_the_same_value_without_a_character_that_a_terminal_obeys(monkeypatch, stream):
    value = {"name": "a\x9b2J\x7f\u202eb\u2028\x85\U000e0041 é 漢 😀"}
    monkeypatch.setattr(sys, "stdout", output := stream())
    terminal.emit(value)
    assert json.loads(output.getvalue()) == value
    assert output.getvalue().removesuffix("\n").isprintable()
    assert "é 漢 😀" in output.getvalue()


def test_a_result_is_unchanged_in_a_file_and_readable_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdout", file := io.StringIO())
    terminal.say("a\x9b2J\u202e\n b")
    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    terminal.say("a\x9b2J\u202e\n b")
    assert (file.getvalue(), screen.getvalue()) == ("a\x9b2J\u202e\n b\n", "a⟨U+009B⟩2J⟨U+202E⟩\n b\n")


@pytest.mark.parametrize("text", ["arn:fire:prod", "[bold]x[/bold]", "C:\\[/]\\[x", "end\\"])
def test_neither_markup_nor_the_name_of_an_emoji_means_anything_in_a_message(text):
    with terminal.stderr.capture() as printed_text:
        terminal.fail(text)
        terminal.note(text)
    assert printed_text.get() == f"Error: {text}\n{text}\n"


def test_a_name_adds_no_row_to_a_table_and_turns_none(monkeypatch):
    monkeypatch.setattr(terminal, "stdout", Console(width=200, file=io.StringIO(), highlight=False))
    terminal.print_table(("User", "Resource"), [("eve@acme.com", "prod\nceo@acme.com  vault\u2028x\u202egnp\x1b[2J")])
    rows = terminal.stdout.file.getvalue().splitlines()
    assert [" ".join(row.split()) for row in rows] == [
        "User Resource", "eve@acme.com prod ceo@acme.com vault x⟨U+202E⟩gnp⟨U+001B⟩[2J",
    ]  # fmt: skip
