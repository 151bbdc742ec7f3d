"""What the doctor says of one thing."""

from enum import StrEnum

import msgspec


class Grade(StrEnum):
    """How it stands."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at: how it stands, and what to do about it."""

    name: str
    grade: Grade
    words: str
    advice: str = ""


def fine(name: str, words: str) -> Finding:
    return Finding(name, Grade.OK, words)


def warning(name: str, words: str, advice: str) -> Finding:
    return Finding(name, Grade.WARNING, words, advice)


def problem(name: str, words: str, advice: str) -> Finding:
    return Finding(name, Grade.PROBLEM, words, advice)
