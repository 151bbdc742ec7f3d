"""Words that stand in no file of the project."""

import re

import pytest

from tests.house.tree import name, written

# Spelt in halves, so that this file passes its own rule.
REGISTRIES = [
    "pypi." + "org",
    "python" + "hosted",
    "npmjs." + "org",
    "npmjs." + "com",
    "yarn" + "pkg",
    "debian." + "org",
]
UNFINISHED = [
    "TO" + "DO",
    "FIX" + "ME",
    "XX" + "X",
    "HA" + "CK",
    "Not" + "ImplementedError",
    "coming " + "soon",
    "lorem " + "ipsum",
]
SCAFFOLDING = [
    "/wo" + "rk/", "sha" + "red/", "/opt/" + "py", "CONT" + "RACT.md", "CONT" + "RACT §", "CONT" + "RACT:",
    "DES" + "IGN.md", "DES" + "IGN §", "TA" + "STE.md", "SE" + "ED.txt", "INTER" + "FACES.md", "LED" + "GER.md",
    "LEDGER_" + "VECTORS", "Cla" + "ude", "Chat" + "GPT", "the " + "brief", "this " + "machine has", "sub" + "agent",
]  # fmt: skip
OVERCLAIMS = [
    "immu" + "table audit",
    "immu" + "table log",
    "tamper" + "-proof",
    "unhack" + "able",
    "military" + "-grade",
]

# A voice that reads as a riddle, and what pages, messages and guides say instead is in the second person.
RIDDLES = [
    "goes out by " + "the calendar", "What left " + "the trail", "goes out by mail " + "again and again",
    "Of one event " + "nothing is counted", "Leave " + "it<", "Leave it " + "as it is", "It judges " + "each event",
    "that holds it " + "holds enough", "nobody is told " + "by mail", "who are no " + "members of",
    "changed " + "the own role", "exports the " + "own activity", "is archived " + "before it goes",
    "That is " + "all.", "Gone " + "so far", "Say " + "which.", "What was found<" + "/h2>",
    "Rules judge " + "every event", "Make a " + "rule", "Make an " + "alert", "Choose what " + "to export",
    "Go on " + "in<", "There is nothing " + "here", "(exact" + ")", "all that " + "match", "This is no " + "rule",
]  # fmt: skip


def _places(words: list[str], *, ignore_case: bool = False) -> list[str]:
    pattern = re.compile(
        "|".join(rf"(?<![A-Za-z]){re.escape(word)}" for word in words), re.IGNORECASE if ignore_case else 0
    )
    return [
        f"{name(path)}:{number}: {found.group()}"
        for path in written()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (found := pattern.search(line))
    ]


@pytest.mark.parametrize(
    ("words", "ignore_case"),
    [
        pytest.param(REGISTRIES, True, id="where packages come from is the installer's own matter"),
        pytest.param(UNFINISHED, False, id="what is there is finished"),
        pytest.param(SCAFFOLDING, False, id="the tree stands by itself"),
        pytest.param(RIDDLES, False, id="what people read is plain English"),
        pytest.param(OVERCLAIMS, True, id="evidence of tampering is promised, not its impossibility"),
    ],
)
def test_no_file_holds_words_that_do_not_belong(words, ignore_case):
    assert _places(words, ignore_case=ignore_case) == []


def test_text_files_are_utf8_with_a_final_newline():
    wrong = [name(path) for path in written() if (raw := path.read_bytes()) and not raw.endswith(b"\n")]
    assert wrong == []
