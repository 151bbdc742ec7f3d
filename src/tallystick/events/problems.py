"""Problems of the events of a request, as returned: index, field, stable code, advice."""

from difflib import get_close_matches

from tallystick.errors import Invalid

# Every code that a problem of an event can have.
CODES = {
    "missing_field": "A required field is missing or empty.",
    "unknown_field": "The field in `field` is unknown.",
    "wrong_type": "The value has the wrong type.",
    "unknown_value": "The value is not one of the allowed ones.",
    "too_long": "The text is too long for the field.",
    "bad_action": "The action does not have the form `noun.verb`.",
    "reserved_action": "The action begins with `audit_log.`, which only Tallystick itself records.",
    "bad_timestamp": "The timestamp is not an RFC 3339 time with a time zone.",
    "timestamp_too_old": "The timestamp is before 1990.",
    "timestamp_in_future": "The timestamp is more than 24 hours ahead of the server's clock.",
    "too_many_entries": "The list in `field` is too long.",
    "other_resource": "`resource` is not the first of `resources`.",
    "bad_country": "The country is not a code of two letters.",
    "bad_ip": "The address is not an IPv4 or IPv6 address.",
    "key_in_external_id": "The external id holds an API key of Tallystick.",
    "nul_character": "A text contains the character NUL.",
    "lone_surrogate": "A text contains a lone surrogate.",
    "number_out_of_range": "A number is too large to store.",
    "too_deep": "Objects and lists are nested too deep.",
    "path_too_long": "The path of a value is too long.",
    "too_many_values": "The details contain too many values.",
    "event_too_large": "The event is too large as stored.",
    "schema_mismatch": "The event does not fit the schema that the organization gave the action.",
    "schema_too_costly": "Checking the event with the schema of its action would take too long.",
    "bad_json": "The line is not valid JSON.",
    "invalid_event": "The event cannot be read.",
}
MAX_PROBLEMS = 1000
MAX_SUGGESTIONS = 20
SHOWN_LENGTH = 100  # of what the client wrote


class Problems:
    """The problems of one request, at most MAX_PROBLEMS."""

    def __init__(self) -> None:
        self.found: list[dict[str, str | int]] = []
        self._suggestions: dict[tuple[str, tuple[str, ...]], str] = {}

    def __bool__(self) -> bool:
        return bool(self.found)

    def __len__(self) -> int:
        return len(self.found)

    @property
    def full(self) -> bool:
        """Whether no more are accepted."""
        return len(self.found) >= MAX_PROBLEMS

    def add(self, index: int, field: str, code: str, detail: str) -> None:
        """`index` counts the events of the request from 0; `field` is a path (`actor.email`), "" for all of it."""
        if not self.full:
            self.found.append({"index": index, "field": excerpt(field), "code": code, "detail": detail})

    def suggest(self, name: str, known: tuple[str, ...]) -> str:
        """The known name that is most like an unknown one, or "". Looks for MAX_SUGGESTIONS names: it takes long."""
        if (name, known) not in self._suggestions:
            if len(self._suggestions) >= MAX_SUGGESTIONS:
                return ""
            self._suggestions[name, known] = next(iter(get_close_matches(name, known, 1)), "")
        return self._suggestions[name, known]

    def error(self) -> Invalid:
        """The error that names all of them, in order of index."""
        ordered = sorted(self.found, key=lambda problem: problem["index"])
        many = f"{'The first ' * self.full}{len(ordered)} problems are" if len(ordered) > 1 else "One problem is"
        return Invalid(
            f"{many} in `errors`. Nothing was recorded. Correct the request and send it again.", errors=ordered
        )


def excerpt(text: str) -> str:
    """Client text as it may stand in an answer: short, and encodable whatever it holds."""
    short = text if len(text) <= SHOWN_LENGTH else text[:SHOWN_LENGTH] + "…"
    return short.encode("utf-8", "backslashreplace").decode().replace("\0", "\\u0000")
