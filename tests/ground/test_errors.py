"""Every expected error carries a status, a code of its own and advice."""

from tallystick import errors
from tallystick.errors import TallystickError


def _tree(root):
    return [
        root,
        *(leaf for child in root.__subclasses__() if child.__module__ == errors.__name__ for leaf in _tree(child)),
    ]


def test_each_error_has_its_own_code():
    codes = [kind.code for kind in _tree(TallystickError)]
    assert len(codes) == len(set(codes))


def test_an_error_tells_its_advice_when_shown():
    assert str(errors.Forbidden("ask an owner for the role auditor")) == "ask an owner for the role auditor"


def test_a_situation_may_have_a_narrower_code_and_further_members():
    problem = errors.BadRequest("write a date", code="bad_parameter", parameter="start")
    assert (problem.code, problem.extra, errors.BadRequest.code) == (
        "bad_parameter",
        {"parameter": "start"},
        "bad_request",
    )


def test_what_may_succeed_later_says_when():
    assert (
        errors.Unavailable("full", retry_after=3).retry_after == errors.TooMany("slow down", retry_after=3).retry_after
    )
