"""What each endpoint of the API needs: the scopes, all of them, and what a key with exactly these is answered."""

from typing import Any, NamedTuple

# Method, path, scopes (`-` takes no key), status for a key that has exactly these; in an order in which each still
# finds what it acts on. 403 is `person_required`: a key is told where a person decides.
TABLE = """
POST   /v1/audit-logs                                    events:write          201
POST   /v1/audit-logs/preview                            events:write          200
GET    /v1/audit-logs                                    events:read           200
GET    /v1/audit-logs/{id}                               events:read           200
GET    /v1/audit-logs/{id}/related                       events:read           200
GET    /v1/audit-logs/histogram                          events:read           200
GET    /v1/audit-logs/facets                             events:read           200
GET    /v1/audit-logs/live                               events:read           200
GET    /v1/actions                                       events:read           200
PUT    /v1/actions/{name}                                admin                 200
DELETE /v1/actions/{name}                                admin                 204
GET    /v1/audit-logs/{id}/proof                         events:read           200
GET    /v1/ledger/checkpoint                             events:read           200
GET    /v1/ledger/key                                    events:read           200
GET    /v1/ledger/tile/{path}                            events:read           200
GET    /v1/ledger/consistency                            events:read           200
GET    /v1/ledger/check                                  admin                 200
POST   /v1/ledger/check                                  admin                 202
GET    /log/{origin_id}/checkpoint                       -                     404
GET    /log/{origin_id}/key                              -                     404
GET    /log/{origin_id}/tile/{path}                      -                     404
GET    /log/{origin_id}/consistency                      -                     404
GET    /v1/retention                                     admin,events:read     200
POST   /v1/retention                                     admin                 200
POST   /v1/retention/preview                             admin                 200
GET    /v1/legal-holds                                   admin,events:read     200
POST   /v1/legal-holds                                   admin                 201
GET    /v1/legal-holds/{id}                              admin,events:read     200
POST   /v1/legal-holds/{id}/release                      admin                 403
GET    /v1/intake-rules                                  admin,events:read     200
POST   /v1/intake-rules                                  admin,events:read     201
POST   /v1/intake-rules/preview                          admin,alerts,events:read 200
GET    /v1/intake-rules/{id}                             admin,events:read     200
PATCH  /v1/intake-rules/{id}                             admin,events:read     200
DELETE /v1/intake-rules/{id}                             admin,events:read     204
GET    /v1/decisions                                     admin                 200
GET    /v1/decisions/{id}                                admin                 200
POST   /v1/decisions/{id}/cancel                         admin                 200
GET    /v1/erasures                                      admin,events:read     200
POST   /v1/erasures                                      admin,events:read     201
GET    /v1/erasures/{id}                                 admin,events:read     200
POST   /v1/erasures/{id}/confirm                         admin,events:read     403
POST   /v1/erasures/{id}/cancel                          admin,events:read     200
GET    /v1/exports                                       exports               200
POST   /v1/exports                                       exports               202
GET    /v1/exports/{id}                                  exports               200
GET    /v1/exports/{id}/download                         exports               200
POST   /v1/exports/{id}/link                             exports               201
GET    /v1/exports/{id}/links                            exports               200
GET    /v1/export-links/{token}                          -                     200
DELETE /v1/exports/{id}/links/{link}                     exports               204
GET    /v1/export-schedules                              exports               200
POST   /v1/export-schedules                              exports               201
GET    /v1/export-schedules/{id}                         exports               200
GET    /v1/export-schedules/{id}/runs                    exports               200
POST   /v1/export-schedules/{id}/consent                 exports               403
PATCH  /v1/export-schedules/{id}                         exports               200
POST   /v1/export-schedules/{id}/run                     exports               202
DELETE /v1/export-schedules/{id}                         exports               204
DELETE /v1/exports/{id}                                  exports               200
GET    /v1/alert-rules                                   alerts,events:read    200
POST   /v1/alert-rules                                   alerts,events:read    201
GET    /v1/alert-rules/{id}                              alerts,events:read    200
PATCH  /v1/alert-rules/{id}                              alerts,events:read    200
POST   /v1/alert-rules/{id}/mute                         alerts,events:read    200
POST   /v1/alert-rules/{id}/backtest                     alerts,events:read    200
POST   /v1/alert-rules/backtest                          alerts,events:read    200
POST   /v1/alert-rules/import                            alerts,events:read    200
GET    /v1/detections                                    alerts,events:read    200
POST   /v1/detections/{id}/enable                        alerts,events:read    200
GET    /v1/alerts                                        alerts,events:read    200
GET    /v1/alerts/{id}                                   alerts,events:read    200
POST   /v1/alerts/{id}/acknowledge                       alerts,events:read    200
DELETE /v1/alert-rules/{id}                              alerts,events:read    204
GET    /v1/destinations                                  alerts                200
POST   /v1/destinations                                  alerts                201
GET    /v1/destinations/{id}                             alerts                200
PATCH  /v1/destinations/{id}                             alerts                200
POST   /v1/destinations/{id}/test                        alerts                202
POST   /v1/destinations/{id}/rotate                      alerts                200
GET    /v1/destinations/{id}/deliveries                  alerts                200
POST   /v1/destinations/{id}/deliveries/{delivery}/retry alerts                202
DELETE /v1/destinations/{id}                             alerts                204
GET    /v1/frameworks                                    events:read           200
GET    /v1/reports                                       exports,events:read   200
POST   /v1/reports                                       exports,events:read   202
GET    /v1/reports/{id}                                  exports,events:read   200
GET    /v1/reports/{id}/content                          exports,events:read   200
GET    /v1/reports/{id}/pdf                              exports,events:read   200
POST   /v1/reports/{id}/evidence                         exports,events:read   202
GET    /v1/reviews                                       events:read           200
POST   /v1/reviews                                       exports,events:read   201
GET    /v1/reviews/{id}                                  events:read           200
POST   /v1/reviews/{id}/findings                         exports,events:read   201
DELETE /v1/reviews/{id}/findings/{event_id}              exports,events:read   200
POST   /v1/reviews/{id}/sign                             exports,events:read   200
GET    /v1/reviews/{id}/content                          events:read           200
POST   /v1/reviews/{id}/withdraw                         exports,events:read   409
GET    /v1/review-reminder                               events:read           200
PUT    /v1/review-reminder                               admin,events:read     200
DELETE /v1/review-reminder                               admin,events:read     200
GET    /v1/members                                       admin                 200
GET    /v1/members/{id}                                  admin                 200
PATCH  /v1/members/{id}                                  admin                 200
POST   /v1/members/{id}/sign-out                         admin                 200
GET    /v1/members/{id}/filter                           admin                 200
PUT    /v1/members/{id}/filter                           admin                 200
POST   /v1/members/{id}/filter/preview                   admin,events:read     200
DELETE /v1/members/{id}                                  admin                 204
GET    /v1/invitations                                   admin                 200
POST   /v1/invitations                                   admin                 201
GET    /v1/invitations/{id}                              admin                 200
POST   /v1/invitations/{id}/resend                       admin                 429
DELETE /v1/invitations/{id}                              admin                 204
GET    /v1/api-keys                                      admin                 200
POST   /v1/api-keys                                      admin                 201
GET    /v1/api-keys/{id}                                 admin                 200
PATCH  /v1/api-keys/{id}                                 admin                 200
POST   /v1/api-keys/{id}/rotate                          admin                 201
DELETE /v1/api-keys/{id}                                 admin                 204
GET    /healthz                                          -                     200
GET    /readyz                                           -                     200
GET    /metrics                                          -                     200
GET    /openapi.json                                     -                     200
GET    /docs                                             -                     200
GET    /docs/docs.css                                    -                     200
"""

_RULE = {"name": "Made", "query": "action:thing.done", "count": 1, "window_seconds": 60}
_PERIOD = {"start": "2024-01-01", "end": "2024-01-31"}
BODIES: dict[str, Any] = {
    "POST /v1/audit-logs": {"action": "thing.done"},
    "POST /v1/audit-logs/preview": {"action": "thing.done"},
    "PUT /v1/actions/{name}": {"sentence": "{actor} did it"},
    "POST /v1/retention": {"retention_days": 36_500},
    "POST /v1/retention/preview": {"retention_days": 36_000},
    "POST /v1/legal-holds": {"name": "Case 7", "query": "status:failed"},
    "POST /v1/intake-rules": {"query": "action:thing.done", "do": "keep", "days": 36_500},
    "POST /v1/intake-rules/preview": {"query": "action:thing.done", "do": "drop"},
    "PATCH /v1/intake-rules/{id}": {"position": 1},
    "POST /v1/erasures": {"subject": {"email": "nobody@acme.example"}, "reason": "Request 17"},
    "POST /v1/exports": {"format": "csv"},
    "POST /v1/exports/{id}/link": {},
    "POST /v1/export-schedules": {"frequency": "daily", "recipients": ["owner@{slug}.example"]},
    "PATCH /v1/export-schedules/{id}": {"name": "Other"},
    "POST /v1/alert-rules": _RULE,
    "PATCH /v1/alert-rules/{id}": {"name": "Other"},
    "POST /v1/alert-rules/{id}/mute": {"seconds": 60},
    "POST /v1/alert-rules/{id}/backtest": {},
    "POST /v1/alert-rules/backtest": _RULE,
    "POST /v1/alert-rules/import": "rules: []\n",
    "POST /v1/alerts/{id}/acknowledge": {},
    "POST /v1/destinations": {"kind": "webhook", "settings": {"url": "https://hooks.example.com/in"}},
    "PATCH /v1/destinations/{id}": {"name": "Other"},
    "POST /v1/reports": {"framework": "soc2", **_PERIOD},
    "POST /v1/reviews": {"period": _PERIOD},
    "POST /v1/reviews/{id}/findings": {"event": "{event}"},
    "POST /v1/reviews/{id}/sign": {"conclusion": "All explained."},
    "POST /v1/invitations": {"email": "other@{slug}.example", "role": "auditor"},
    "PATCH /v1/members/{id}": {"role": "auditor"},
    "PUT /v1/members/{id}/filter": {"filter": "category:deployments"},
    "POST /v1/members/{id}/filter/preview": {"filter": "category:deployments"},
    "POST /v1/api-keys": {"name": "Made", "scopes": ["admin"]},
    "PATCH /v1/api-keys/{id}": {"name": "Other"},
    "POST /v1/api-keys/{id}/rotate": {"overlap_hours": 1},
    "PUT /v1/review-reminder": {"weekday": 0, "at": "09:00", "recipients": ["owner@{slug}.example"]},
}
# The query that a path cannot do without.
QUERIES = {
    "/v1/audit-logs/facets": "?field=user",
    "/v1/ledger/consistency": "?first=1&second=1",
    "/log/{origin_id}/consistency": "?first=1&second=1",
}
# These ids belong to no organization.
SHARED_IDS = frozenset({"/v1/detections/{id}/enable", "/v1/ledger/tile/{path}"})


class ApiRow(NamedTuple):
    """One endpoint: what it needs, and the status for a key that has exactly that."""

    method: str
    path: str
    scopes: frozenset[str]
    status: int

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def api_rows() -> list[ApiRow]:
    """The rows of the table."""
    rows = []
    for line in filter(None, TABLE.splitlines()):
        method, path, scopes, status = line.split()
        rows.append(ApiRow(method, path, frozenset() if scopes == "-" else frozenset(scopes.split(",")), int(status)))
    return rows
