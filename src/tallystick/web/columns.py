"""The columns of the table: which there are, and which a URL shows."""

COLUMNS = {
    "time": "Timestamp",
    "user": "User",
    "action": "Action",
    "description": "Description",
    "category": "Category",
    "resource": "Resource",
    "ip": "IP Address",
    "status": "Status",
    "id": "Event ID",
}
USUAL = ("time", "user", "action", "resource", "ip", "status")


def shown_columns(text: str) -> tuple[str, ...]:
    """The columns that `time,user,…` names, in their own order; the usual ones when it names none."""
    wanted = set(text.split(","))
    return tuple(name for name in COLUMNS if name in wanted) or USUAL


def hidden_columns(text: str) -> str:
    """The others, with blanks between."""
    kept = shown_columns(text)
    return " ".join(name for name in COLUMNS if name not in kept)
