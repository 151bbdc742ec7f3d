"""Names that are not ours before a colon or a comparison: which of our names was meant, or none."""

from collections.abc import Iterable

from tallystick.query.case_folding import fold
from tallystick.search.qualifiers import NAMES, PARTS

# What people from other products write for our names; with a dot at the end, what a path begins with.
OTHER_NAMES = {
    "usr": "user", "actor": "user", "email": "user", "who": "user", "by": "user", "username": "user", "name": "user",
    "principal": "user", "login": "user", "member": "user", "subject": "user",
    "event": "action", "verb": "action", "act": "action", "outcome": "status", "result": "status", "state": "status",
    "eventname": "action", "event_name": "action", "event_type": "action", "operation": "action", "is": "status",
    "cat": "category", "res": "resource", "target": "resource", "resource_type": "type", "kind": "type",
    "address": "ip", "addr": "ip", "ip_address": "ip", "cidr": "ip", "src_ip": "ip", "client_ip": "ip",
    "clientip": "ip", "remote_addr": "ip", "sourceipaddress": "ip", "since": "after", "from": "after",
    "start": "after", "until": "before", "to": "before", "end": "before", "date": "on", "day": "on", "time": "on",
    "timestamp": "on", "_time": "on", "datetime": "on", "created": "on", "created_at": "on", "occurred_at": "on",
    "when": "on", "ts": "on",
    "event_id": "id", "session_id": "session", "request_id": "request", "trace_id": "trace", "on_behalf_of": "for",
    "behalf": "for", "recorder": "recorded_by", "level": "severity", "sev": "severity", "why": "reason",
    "status_reason": "reason", "original_action": "original", "agent": "actor_type", "actor_kind": "actor_type",
    "useragent": "user_agent", "ua": "user_agent", "geo": "country", "auth_method": "auth",
    "credential_id": "credential", "external": "external_id", "tenant": "account", "account_id": "account",
    "change": "changes.", "meta": "metadata.", "details": "metadata.",
    "actor.email": "user", "actor.id": "user", "actor.name": "user", "user.name": "user", "user.email": "user",
    "user.id": "user", "usr.email": "user", "usr.id": "user", "usr.name": "user", "actor.type": "actor_type",
    "resource.id": "resource", "resource.name": "resource", "resource.type": "type", "event.action": "action",
    "event.category": "category", "event.outcome": "status", "event.id": "id", "evt.name": "action",
    "evt.outcome": "status", "source.ip": "ip", "client.ip": "ip", "network.client.ip": "ip",
    "context.ip_address": "ip", "context.user_agent": "user_agent", "user_agent.original": "user_agent",
    "context.session_id": "session", "context.request_id": "request", "context.trace_id": "trace",
    "context.source": "source", "context.channel": "channel", "context.account": "account",
    "context.region": "region", "context.country": "country",
}  # fmt: skip
# Names of times, which can be compared: `timestamp>=2024-01-01`.
TIMES = frozenset(name for name, ours in OTHER_NAMES.items() if ours == "on") | {"on"}
HAS_VALUE = frozenset({"_exists_", "exists", "has"})
LACKS_VALUE = frozenset({"_missing_", "missing", "no"})
ELSEWHERE = frozenset({"index", "_index", "sourcetype", "eventtype", "datasource", "dataset"})
# What texts with colons begin with that are pasted: no typing error, however near a name is.
_PASTED = frozenset({
    "arn", "urn", "uri", "url", "uuid", "http", "https", "ftp", "file", "ssh", "git", "mailto", "tel", "data", "did",
    "doi", "isbn", "spiffe", "cpe", "pkg", "oci", "docker", "image", "s3", "gs", "sha1", "sha256", "sha384", "sha512",
    "md5", "repo", "ref", "refs", "error", "warning", "host", "port", "code", "note", "path", "role",
})  # fmt: skip
_SHORT, _LONG = 3, 6  # letters: names that are as short are never near; longer ones with two errors are


def name_meant(name: str) -> str | None:
    """Our name for a foreign or misspelt one; it ends in a dot if a path was meant. None if no name is near."""
    folded = fold(name)
    if folded in OTHER_NAMES:
        return OTHER_NAMES[folded]
    if folded in _PASTED:
        return None
    part, dot, below = folded.partition(".")
    if dot and below:
        root = _nearest(part, PARTS)
        return f"{root}.{name.partition('.')[2]}" if root else None
    begun = [one for one in NAMES if len(folded) > _SHORT and one.startswith(folded)]
    near = begun[0] if begun else _nearest(folded, (*NAMES, *PARTS, *(one for one in OTHER_NAMES if "." not in one)))
    return OTHER_NAMES.get(near, f"{near}." if near in PARTS and near not in NAMES else near) if near else None


def _nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word with the fewest errors of typing, if they are few; the first letter is mostly right."""
    if len(word) <= _SHORT:
        return None
    most = 1 if len(word) < _LONG else 2
    found = [
        (errors, one)
        for one in known
        if abs(len(one) - len(word)) <= most
        and (one[0] == word[0] or one[:2] == word[1::-1])
        and (errors := typing_errors(word, one)) <= most
    ]
    return min(found)[1] if found else None


def typing_errors(one: str, other: str) -> int:
    """The number of letters to insert, delete, replace or swap with a neighbour to make one word the other."""
    second: list[int] = []  # the two lines of the table before this one
    first = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for column, opposite in enumerate(other, 1):
            cost = min(first[column] + 1, line[-1] + 1, first[column - 1] + (letter != opposite))
            is_swap = row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == opposite
            line.append(min(cost, second[column - 2] + 1) if is_swap else cost)
        second, first = first, line
    return first[-1]
