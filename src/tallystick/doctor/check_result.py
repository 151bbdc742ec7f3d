"""The result of one health check."""

from enum import StrEnum

import msgspec


class CheckGrade(StrEnum):
    """The outcome of a check: a warning becomes a problem if nobody acts on it."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class CheckResult(msgspec.Struct, frozen=True):
    """What was checked (`name`), the outcome, a sentence about it (`words`) and what to do."""

    name: str
    grade: CheckGrade
    words: str
    advice: str = ""


def fine(name: str, words: str) -> CheckResult:
    """The result of a check that passed."""
    return CheckResult(name, CheckGrade.OK, words)


def warning(name: str, words: str, advice: str) -> CheckResult:
    """The result of a check that found a possible problem."""
    return CheckResult(name, CheckGrade.WARNING, words, advice)


def problem(name: str, words: str, advice: str) -> CheckResult:
    """The result of a check that found a problem."""
    return CheckResult(name, CheckGrade.PROBLEM, words, advice)
