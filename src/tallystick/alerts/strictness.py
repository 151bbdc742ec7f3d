"""Whether a change of a setting makes it weaker, where its name and values say so."""

import re

import msgspec

from tallystick.events.changes import Change, changes_of

# The last word of a setting's name, and which way is stricter. What is not known counts as weaker: better told of.
_MORE = re.compile(r"(length|history|retention_days|days_kept|complexity|strength)$", re.IGNORECASE)
_LESS = re.compile(r"(timeout|lifetime|ttl|max_?age(_days)?|duration|attempts|minutes|hours|seconds)$", re.IGNORECASE)
_ON = re.compile(r"(^|[._])(require[sd]?|enforced?)(_|$)|(^|[._])(mfa|sso|enabled)$", re.IGNORECASE)
_number = msgspec.json.Decoder(float)


def may_weaken(changes: dict[str, object]) -> bool:
    """False only where something changed and each change is known to be a tightening, or to be none."""
    found = list(changes_of(changes))
    return not found or not all(map(_tightens, found))


def _tightens(change: Change) -> bool:
    if change.kind != "changed":
        return False
    if change.before == change.after:
        return True
    if _ON.search(change.path):
        return (change.before, change.after) == ("false", "true")
    try:
        before, after = _number.decode(change.before), _number.decode(change.after)
    except msgspec.DecodeError:
        return False
    if _MORE.search(change.path):
        return after > before
    return _LESS.search(change.path) is not None and 0 < after < before  # 0 is often no end at all
