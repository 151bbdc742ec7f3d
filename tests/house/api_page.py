"""docs/reference/api.md, made of the OpenAPI document."""

from collections.abc import Iterator

from tallystick.api.openapi import INTRODUCTION
from tallystick.api.reference_page import EndpointEntry, FieldRow, SchemaEntry, error_codes, schemas, topics
from tallystick.api.routes import describe_api
from tests.house.tables import NOTE, table

FILTERS = ("start", "end", "tz", "user", "action", "status", "category", "resource", "resource_type", "ip", "q")
GUIDES = {
    "Recording": "What an event holds: [the event](event.md).",
    "Searching": "How to search: [the search language](search.md).",
    "Proofs": "How to use these: [check the trail yourself](../guides/verify.md). What they are made of: "
    "[the ledger](ledger.md).",
    "Retention": "What these mean: [retention](../operate/retention.md) and [erasing a person](../guides/erasure.md).",
    "Exports": "What an export holds: [exports](../guides/exports.md) and [scheduled exports](../guides/schedules.md).",
    "Alerts": "What rules and destinations are: [alerts](../guides/alerts.md).",
    "Compliance": "What reports and reviews are: [compliance](../guides/compliance.md).",
    "Actions": "How an organization describes its own: [your own actions](../guides/actions.md).",
    "Members": "How people join and leave: [members](../guides/members.md).",
    "API keys": "How keys are used: [API keys](../guides/api-keys.md).",
    "Monitoring": "What is measured: [metrics](../operate/metrics.md).",
    "Reference": "",
}
# By operation: a request, and what is worth seeing of its answer.
EXAMPLES = {
    "recordEvents": """\
curl -X POST "$URL/v1/audit-logs" -H "Authorization: Bearer $API_KEY" -H "Content-Type: application/json" \\
  -d '{"action": "deployment.completed", "actor": {"email": "sarah@example.com"}}'

201 {"events": [{"id": "evt_…", "index": 42, "timestamp": "…", "duplicate": false}], "duplicate": false}""",
    "findEvents": """\
curl -H "Authorization: Bearer $API_KEY" "$URL/v1/audit-logs?start=2024-01-01&end=2024-01-31&status=failed"

200 {"data": [{"id": "evt_…", …}], "total": 1234, "total_relation": "exact", "next_cursor": "…", "partial": false,
     "searchable_through": 98765, "retention_start": "…"}""",
    "showHistogram": """\
200 {"start": "…", "end": "…", "interval_seconds": 3600,
     "buckets": [{"start": "…", "success": 12, "failed": 1}, …], "partial": false}""",
    "showFacets": """\
200 {"field": "user", "values": [{"value": "sarah@example.com", "count": 41}, …], "partial": false}""",
    "followEvents": """\
id: 42
event: event
data: {"id": "evt_…", "index": 42, …}

id: 57
event: position
data: {"through": 57}""",
    "changeRetention": """\
{"plan": "pro"}

200 {"plan": "pro", "retention_days": 90, "before": {"plan": "enterprise", "retention_days": 365},
     "deletes": {"events": 1310422, "never_exported": 0, "relation": "exact", "oldest": "…"},
     "effective_at": "…", "keeps_from": "…"}""",
    "placeHold": """\
{"name": "Case 7", "query": "user:sarah@acme.com", "start": "2024-01-01", "end": "2024-03-31"}""",
    "askErasure": """\
{"subject": {"email": "sarah@acme.com"}, "also": ["Sarah Lin"], "reason": "Request 17"}""",
    "askExport": """\
{"format": "csv", "filter": {"status": "failed", "user": ["john@acme.com", "sarah@acme.com"], "start": "2024-01-01"}}

202 {"id": "exp_…", "format": "csv", "status": "running", "progress": 0.42, "rows": null, "bytes": null, …}""",
    "makeSchedule": """\
{"name": "Failures", "frequency": "weekly", "at": "07:30", "weekday": "monday", "timezone": "Europe/Berlin",
 "format": "csv", "filter": {"status": "failed"}, "recipients": ["you@example.com"], "mode": "new"}""",
    "makeAlertRule": """\
{"name": "Failed sign-ins", "query": "action:user.login status:failed", "count": 5, "window_seconds": 600,
 "group_by": "user", "severity": "warning", "destinations": ["dst_…"]}""",
    "makeDestination": """\
{"kind": "webhook", "name": "On-call", "settings": {"url": "https://hooks.example.com/audit"}}""",
    "askReport": """\
{"framework": "soc2", "start": "2024-01-01", "end": "2024-03-31", "tz": "Europe/Berlin"}""",
    "openReview": """\
{"period": {"start": "2024-01-01", "end": "2024-01-07"}, "query": "status:failed",
 "findings": [{"event": "evt_…", "severity": "medium", "note": "Asked Sarah"}], "conclusion": "All explained."}""",
    "setReminder": """\
{"weekday": 0, "at": "09:00", "tz": "Europe/Berlin", "recipients": ["maya@acme.com"]}""",
}


def _linked(kind: str, names: tuple[str, ...]) -> str:
    """A type in words, with links to the schemas that it names."""
    for name in names:
        kind = " ".join(f"[{word}](#{name.lower()})" if word == name else word for word in kind.split(" "))
    return kind


def _parameters(rows: list[FieldRow]) -> Iterator[str]:
    filtered = [row.name for row in rows if row.name in FILTERS]
    if len(filtered) == len(FILTERS):
        yield "Takes the [filters](#filters)" + (" and:\n" if len(rows) > len(filtered) else ".\n")
        rows = [row for row in rows if row.name not in FILTERS]
    if rows:
        yield table(
            ("parameter", "type", "default", "meaning"),
            [(f"`{row.name}` {row.note}".strip(), row.kind, row.default, row.description) for row in rows],
        )


def _endpoint(endpoint: EndpointEntry) -> Iterator[str]:
    yield f"### {endpoint.summary}\n"
    scopes = " and ".join(f"`{scope}`" for scope in endpoint.scopes)
    needs = f" · scope{'s' if len(endpoint.scopes) > 1 else ''} {scopes}" if scopes else " · no key"
    yield f"`{endpoint.method} {endpoint.path}`{needs}\n"
    if endpoint.description:
        yield endpoint.description + "\n"
    yield from _parameters(endpoint.parameters)
    for media, kind in endpoint.bodies:
        names = tuple(name for name in endpoint.schemas if name in kind.split())
        yield f"Body: `{media}`, {_linked(kind, names)}.\n"
    answers = []
    for status, description, media in endpoint.answers:
        answers.append(f"{status} {description}" + (f" {media}." if media else ""))
    errors = f" Errors: {', '.join(endpoint.problems)}." if endpoint.problems else ""
    text = " · ".join(answers)
    for name in endpoint.schemas:
        text = text.replace(f"({name})", f"([{name}](#{name.lower()}))")
    yield f"Answer: {text}{errors}\n"
    if endpoint.anchor in EXAMPLES:
        yield f"```\n{EXAMPLES[endpoint.anchor]}\n```\n"


def _schema(schema: SchemaEntry) -> Iterator[str]:
    yield f"### {schema.name}\n"
    if schema.description:
        yield schema.description + "\n"
    if schema.fields:
        yield table(
            ("field", "type", "meaning"),
            [
                (
                    f"`{field.name}` {field.note}".strip(),
                    _linked(field.kind, field.schemas),
                    " ".join(part for part in (field.description, _default(field)) if part),
                )
                for field in schema.fields
            ],
        )


def _default(field: FieldRow) -> str:
    return f"Default: `{field.default}`." if field.default and "efault" not in field.description else ""


def api_page() -> str:
    """docs/reference/api.md"""
    document = describe_api()
    arranged = topics(document)
    filters = [
        row
        for topic in arranged
        for endpoint in topic.endpoints
        if endpoint.anchor == "findEvents"
        for row in endpoint.parameters
        if row.name in FILTERS
    ]
    parts = [f"# HTTP API\n\n{NOTE}\n{INTRODUCTION}\n"]
    parts.append(
        "The OpenAPI document is at `/openapi.json`, and a page made of it at `/docs`. A key may make a limited number "
        "of requests each second ([settings](settings.md)); then the answer is 429 with `Retry-After`. What the scopes "
        "of a key allow: [access](access.md).\n"
    )
    parts.append(
        "Clients can be generated from the document, and have a type for every JSON answer: "
        '`openapi-python-client generate --url "$URL/openapi.json"`, '
        '`npx openapi-typescript "$URL/openapi.json" -o tallystick.d.ts`.\n'
    )
    parts.append(
        table(
            ("topic", "endpoints"),
            [
                (
                    f"[{topic.name}](#{topic.name.lower()})",
                    ", ".join(f"[{one.summary}](#{_anchor(one.summary)})" for one in topic.endpoints),
                )
                for topic in arranged
            ],
        )
    )
    for topic in arranged:
        parts.append(f"## {topic.name}\n\n{f'{topic.description} {GUIDES[topic.name]}'.strip()}\n")
        if topic.name == "Searching":
            parts.append("### Filters\n")
            parts.append("Different filters must all match; a repeated one matches any of its values.\n")
            rows = [(f"`{row.name}`", row.kind, row.description) for row in filters]
            parts.append(table(("parameter", "type", "meaning"), rows))
        for endpoint in topic.endpoints:
            parts += _endpoint(endpoint)
    parts.append("## Schemas\n")
    for schema in schemas(document):
        parts += _schema(schema)
    parts.append(
        "## Errors\n\n`application/problem+json` (RFC 9457) with a stable `code` and a `detail` that says what to do. "
        "`type` links to the explanation of the code.\n"
    )
    parts.append(
        '```\n{"type": "/docs#bad_parameter", "title": "Bad request", "status": 400, "code": "bad_parameter", '
        '"detail": "…",\n "parameter": "limit"}\n```\n'
    )
    parts.append(
        table(("status", "code", "meaning"), [(str(status), f"`{code}`", why) for code, status, why in error_codes()])
    )
    return "\n".join(parts)


def _anchor(heading: str) -> str:
    return "".join(letter for letter in heading.lower().replace(" ", "-") if letter.isalnum() or letter == "-")
