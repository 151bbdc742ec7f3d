"""Tallystick's own records: their reserved names, how to tell who recorded an event, and searches bound to both."""

from tallystick.query.conditions import And, Condition, Equals, Not, Or, RecordedByTallystick
from tallystick.query.values import pieces_of

# Actions that begin so are Tallystick's own: no key can record one, so an import gives those of other logs a new name.
RESERVED = "audit_log."
IMPORTED = "imported."
# How `what` ends for the recorder TALLYSTICK: `recorded_by` is its last field, and no text in it holds a bare quote.
END_OF_OWN_WHAT = b',"recorded_by":{"type":"system","id":"tallystick","name":"Tallystick"}}'
_RESERVED_ACTION = Equals("action", (RESERVED + "*",))


def is_own_record(what: bytes) -> bool:
    """Whether Tallystick itself recorded the event with this `what`; not if that part was erased."""
    return what.endswith(END_OF_OWN_WHAT)


def require_own_records(condition: Condition) -> Condition:
    """The condition, except that an event with a reserved action is only found by it if Tallystick recorded the event.

    For detections and reports, which draw conclusions from what Tallystick did. Events with such names that others
    recorded are from before the names were reserved.
    """
    match condition:
        case Equals("action"):
            return _bound(condition)
        case Not(inner):
            return Not(require_own_records(inner))
        case And(conditions):
            return And(tuple(map(require_own_records, conditions)))
        case Or(conditions):
            return Or(tuple(map(require_own_records, conditions)))
        case _:
            return condition


def _bound(condition: Equals) -> Condition:
    """`condition` stays a conjunct of its own, by which rules select events before they look further."""
    begun = [_literal_beginning(pattern, condition.wildcards) for pattern in condition.patterns]
    if all(literal.startswith(RESERVED) for literal, _ in begun):
        return And((condition, RecordedByTallystick())) if begun else condition
    if any(literal.startswith(RESERVED) or (is_open and RESERVED.startswith(literal)) for literal, is_open in begun):
        return And((condition, Or((RecordedByTallystick(), Not(_RESERVED_ACTION)))))
    return condition


def _literal_beginning(pattern: str, wildcards: bool) -> tuple[str, bool]:
    """The pattern up to its first wildcard, and whether it has one."""
    pieces = pieces_of(pattern) if wildcards else (pattern,)
    return pieces[0], len(pieces) > 1
