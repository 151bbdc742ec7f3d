"""What is wrong with the events of a request, as it is answered: an index, a field, a stable code, advice."""

from tallystick.errors import Invalid

MAX_PROBLEMS = 1000
SHOWN_LENGTH = 100  # of what the client wrote


class Problems:
    """The problems of one request, no more than MAX_PROBLEMS."""

    def __init__(self) -> None:
        self.found: list[dict[str, str | int]] = []

    def __bool__(self) -> bool:
        return bool(self.found)

    def __len__(self) -> int:
        return len(self.found)

    @property
    def full(self) -> bool:
        """No more are taken."""
        return len(self.found) >= MAX_PROBLEMS

    def add(self, index: int, field: str, code: str, detail: str) -> None:
        """`index` counts the events of the request from 0; `field` is a path (`actor.email`), "" the whole event."""
        if not self.full:
            self.found.append({"index": index, "field": shown(field), "code": code, "detail": detail})

    def error(self) -> Invalid:
        """The error that names them all, in order of index."""
        ordered = sorted(self.found, key=lambda problem: problem["index"])
        many = f"{'The first ' * self.full}{len(ordered)} problems are" if len(ordered) > 1 else "One problem is"
        return Invalid(
            f"{many} in `errors`. Nothing of this request was recorded: correct it and send it again.", errors=ordered
        )


def shown(text: str) -> str:
    """Text of the client as it may stand in an answer: short, and encodable whatever it holds."""
    short = text if len(text) <= SHOWN_LENGTH else text[:SHOWN_LENGTH] + "…"
    return short.encode("utf-8", "backslashreplace").decode().replace("\0", "\\u0000")
