"""The words and numbers by which other systems say whether something succeeded."""

from typing import Literal

_SUCCESS = frozenset(
    {
        "success", "successful", "successfully", "succeeded", "succeed", "ok", "okay", "pass", "passed", "allow",
        "allowed", "permit", "permitted", "grant", "granted", "accept", "accepted", "approved", "authorized",
        "complete", "completed", "done",
    }
)  # fmt: skip
_FAILED = frozenset(
    {
        "fail", "failed", "failure", "unsuccessful", "error", "errored", "deny", "denied", "accessdenied",
        "permissiondenied", "refused", "reject", "rejected", "forbidden", "unauthorized", "notauthorized", "block",
        "blocked", "invalid", "timeout", "timedout", "aborted", "challenged",
    }
)  # fmt: skip


def read_status(value: object) -> Literal["success", "failed"] | None:
    """The status that a word, or the status of an HTTP answer (100 to 599), stands for; None for any other value."""
    if isinstance(value, str):
        word = value.strip().lower().replace("_", "").replace("-", "").replace(" ", "")[:30]
        if word in _SUCCESS:
            return "success"
        if word in _FAILED:
            return "failed"
        value = int(word) if len(word) == 3 and word.isascii() and word.isdigit() else None
    if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:
        return "success" if value < 400 else "failed"
    return None
