"""Lets a table of an earlier version be searched and written to until it is rebuilt.

The columns that it lacks are added to it. For the rows that are there, the engine computes them from their parts when
a statement reads them: slowly, but to what the rebuild will write. Their text for search stays as it was, and lacks
nothing: what it holds beside that in later versions, no event of an earlier one has.
"""

from tallystick.events.record import CONTEXT_FIELDS

# Where the text of a column that an earlier table lacks stands in the parts: the part, and the keys in it.
PLACES: dict[str, tuple[str, ...]] = {
    "severity": ("what", "severity"),
    "external_id": ("what", "external_id"),
    "recorder_id": ("what", "recorded_by", "id"),
    "recorder_email": ("what", "recorded_by", "email"),
    "recorder_name": ("what", "recorded_by", "name"),
    "status_reason": ("details", "status_reason"),
    "original_action": ("details", "original_action"),
} | {name: ("who", "context", name) for name in CONTEXT_FIELDS}


def definition_of(name: str, definition: str) -> str:
    """The definition of a column that is added to an earlier table, where the present table has `definition`."""
    kind, codec, rest = definition.partition(" CODEC")
    if name not in PLACES:  # lists, which no event of an earlier version has, and what other columns give
        return definition
    part, *keys = PLACES[name]
    path = ", ".join(f"'{key}'" for key in keys)
    return f"{kind} DEFAULT JSONExtractString({part}, {path}){codec}{rest}"
