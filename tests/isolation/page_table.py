"""Which roles may use each page and form: o is owner, a is admin, u is auditor, m is member."""

from typing import NamedTuple

LETTERS = {"o": "owner", "a": "admin", "u": "auditor", "m": "member"}

# Method, path, roles (`-` needs no session).
TABLE = """
GET  /                                           -
GET  /sign-in                                    -
POST /sign-in                                    -
POST /sign-out                                   -
POST /organization                               -
GET  /set-up/{token}                             -
POST /set-up/{token}                             -
GET  /unsubscribe/{token}                        -
POST /unsubscribe/{token}                        -
GET  /static/{file_path}                         -
HEAD /static/{file_path}                         -
GET  /audit-logs                                 oaum
GET  /audit-logs/rows                            oaum
GET  /audit-logs/count                           oaum
GET  /audit-logs/live                            oaum
GET  /audit-logs/suggest/{name}                  oaum
GET  /audit-logs/complete/{name}                 oaum
GET  /audit-logs/histogram                       oaum
GET  /audit-logs/facets/{name}                   oaum
GET  /audit-logs/saved                           oaum
POST /audit-logs/saved                           oaum
POST /audit-logs/saved/{view_id}                 oaum
GET  /audit-logs/{event_id}                      oaum
GET  /audit-logs/{event_id}/related              oaum
GET  /audit-logs/{event_id}/proof                oaum
GET  /audit-logs/{event_id}/proof.json           oaum
GET  /audit-logs/{event_id}/investigate          oaum
GET  /cases                                      oaum
POST /cases                                      oam
GET  /cases/{case_id}                            oaum
POST /cases/{case_id}                            oam
POST /cases/{case_id}/state                      oam
POST /cases/{case_id}/events/{event_id}          oam
POST /cases/{case_id}/events/{event_id}/remove   oam
GET  /cases/{case_id}/report.md                  oaum
GET  /cases/{case_id}/report.pdf                 oaum
GET  /exports                                    oaum
POST /exports                                    oaum
GET  /exports/list                               oaum
POST /exports/{export_id}                        oaum
GET  /exports/{export_id}/download               oaum
POST /exports/{export_id}/links/{link_id}        oaum
GET  /exports/schedules/new                      oaum
POST /exports/schedules                          oaum
GET  /exports/schedules/{schedule_id}            oaum
POST /exports/schedules/{schedule_id}            oaum
GET  /actions                                    oau
GET  /actions/example                            oau
POST /actions                                    oa
POST /actions/{action}/remove                    oa
GET  /alerts                                     oau
GET  /alerts/{alert_id}                          oau
GET  /alerts/{name}/backtest                     oau
POST /alerts/{alert_id}                          oa
GET  /alerts/rules/new                           oa
POST /alerts/rules/new                           oa
POST /alerts/rules/{rule_id}                     oa
POST /alerts/detections/{detection_id}           oa
POST /alerts/destinations                        oa
POST /alerts/destinations/{destination_id}       oa
POST /alerts/destinations/{destination_id}/approve  o
GET  /security                                   oau
GET  /security/signs/{name}                      oau
GET  /compliance                                 oau
POST /compliance/reports                         oau
GET  /compliance/reports/{report_id}             oau
GET  /compliance/reports/{report_id}/progress    oau
GET  /compliance/reports/{report_id}/report.pdf  oau
GET  /compliance/reports/{report_id}/report.json oau
POST /compliance/reports/{report_id}/evidence    oau
POST /compliance/reviews                         oau
GET  /compliance/reviews/{review_id}             oau
POST /compliance/reviews/{review_id}             oau
POST /compliance/reviews/{review_id}/findings    oau
POST /compliance/reminder                        oa
GET  /retention                                  oau
POST /retention                                  o
POST /retention/mail                             oa
POST /retention/holds                            oa
POST /retention/holds/{hold_id}/release          oa
POST /retention/erasures                         oa
POST /retention/erasures/{erasure_id}/{decision} oa
POST /retention/requests/{request_id}/{decision}  oa
POST /retention/views                            o
GET  /intake-rules                               oau
POST /intake-rules                               o
POST /intake-rules/{intake_rule_id}/{change}     o
POST /intake-rules/requests/{request_id}/{decision}  oa
GET  /members                                    oa
POST /members/leaver-keys                        o
POST /members/invitations                        oa
POST /members/invitations/{invitation_id}/{act}  oa
GET  /join/{token}                               -
POST /join/{token}                               -
POST /members/{member_id}/{act}                  oa
GET  /members/{member_id}/filter                 o
POST /members/{member_id}/filter                 o
GET  /api-keys                                   oa
POST /api-keys                                   oa
POST /api-keys/{key_id}/change                   oa
POST /api-keys/{key_id}/rotate                   oa
POST /api-keys/{key_id}/revoke                   oa
GET  /profile                                    oaum
POST /profile                                    oaum
POST /profile/password                           oaum
POST /profile/sessions/end                       oaum
POST /profile/sessions/{session_id}/end          oaum
GET  /sign-in/reset                              -
POST /sign-in/reset                              -
GET  /sign-in/reset/{token}                      -
POST /sign-in/reset/{token}                      -
GET  /integrity                                  oau
GET  /integrity/check                            oau
POST /integrity/check                            oa
POST /integrity/public                           o
GET  /integrity/checkpoint                       oau
GET  /integrity/tallystick-verify.pyz            oau
"""
# An id of another organization is taken as text here: a filter that finds nothing, or the name of something shared.
NO_FOREIGN_ID = frozenset(
    {
        "/audit-logs/suggest/{name}",
        "/audit-logs/complete/{name}",
        "/audit-logs/facets/{name}",
        "/alerts/detections/{detection_id}",
        "/security/signs/{name}",
    }
)
# Auditors and members are let to these forms for their own things alone.
OTHERS_REFUSED = frozenset({"POST /exports/{export_id}/links/{link_id}"})


class PageRow(NamedTuple):
    """One page or form, and the roles that may use it; none if it needs no session."""

    method: str
    path: str
    roles: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def page_rows() -> list[PageRow]:
    """The rows of the table."""
    rows = []
    for line in filter(None, TABLE.splitlines()):
        method, path, letters = line.split()
        roles = frozenset() if letters == "-" else frozenset(LETTERS[letter] for letter in letters)
        rows.append(PageRow(method, path, roles))
    return rows


# A form that would be accepted; what is not here needs no field.
_PERIOD = {"range": "custom", "start": "2024-01-01", "end": "2024-01-31"}
FORMS: dict[str, dict[str, str]] = {
    "POST /audit-logs/saved": {"name": "Mine", "query": ""},
    "POST /audit-logs/saved/{view_id}": {"act": "delete"},
    "POST /cases": {"title": "Other", "events": "{event}"},
    "POST /cases/{case_id}": {"title": "Other", "version": "1"},
    "POST /cases/{case_id}/state": {"act": "close"},
    "POST /cases/{case_id}/events/{event_id}": {"note": "Seen"},
    "POST /exports": {"format": "csv", "query": ""},
    "POST /exports/{export_id}": {"act": "end"},
    "POST /exports/schedules": {"frequency": "daily", "at": "07:00", "recipients": "owner@acme.example", "zone": "UTC"},
    "POST /exports/schedules/{schedule_id}": {"act": "delete"},
    "POST /alerts/{alert_id}": {"note": "Seen"},
    "POST /alerts/rules/new": {"act": "make", "name": "Made", "query": "action:thing.done", "count": "1"},
    "POST /alerts/rules/{rule_id}": {"act": "delete"},
    "POST /alerts/destinations": {"kind": "webhook", "name": "Made", "url": "https://hooks.example.com/in", "to": ""},
    "POST /alerts/destinations/{destination_id}": {"act": "delete"},
    "POST /compliance/reports": {"framework": "soc2", **_PERIOD},
    "POST /compliance/reviews": _PERIOD,
    "POST /compliance/reviews/{review_id}": {"act": "withdraw"},
    "POST /compliance/reviews/{review_id}/findings": {"event": "{event}", "severity": "low", "note": "Seen"},
    "POST /compliance/reminder": {"act": "remove"},
    "POST /retention": {"days": "400"},
    "POST /intake-rules": {"query": "action:thing.done", "do": "keep", "days": "36500"},
    "POST /members/invitations": {"email": "other@acme.example", "role": "auditor"},
    "POST /members/leaver-keys": {"leaver_keys": "all"},
    "POST /members/{member_id}/{act}": {"role": "auditor"},
    "POST /members/{member_id}/filter": {"act": "set", "filter": "category:deployments"},
    "POST /api-keys": {"name": "Made", "scope": "events:read"},
    "POST /api-keys/{key_id}/change": {"name": "Other", "scope": "admin"},
    "POST /api-keys/{key_id}/rotate": {"overlap": "24"},
    "POST /retention/mail": {"act": "off"},
    "POST /retention/views": {"recording": "all"},
    "POST /retention/holds": {"name": "Case 7", "query": "status:failed"},
    "POST /retention/erasures": {"email": "nobody@where.example", "reason": "Request 17"},
}
# Parameters of a path that are no ids.
IDS: dict[str, dict[str, str]] = {
    "GET /audit-logs/suggest/{name}": {"name": "user"},
    "GET /audit-logs/complete/{name}": {"name": "user"},
    "GET /audit-logs/facets/{name}": {"name": "user"},
    "GET /alerts/{name}/backtest": {"name": "{rule}"},
    "POST /members/invitations/{invitation_id}/{act}": {"act": "revoke"},
    "POST /members/{member_id}/{act}": {"act": "role"},
    "POST /alerts/detections/{detection_id}": {"detection_id": "brute_force"},
    "GET /security/signs/{name}": {"name": "failed_sign_ins"},
    "POST /retention/erasures/{erasure_id}/{decision}": {"decision": "cancel"},
    "POST /retention/requests/{request_id}/{decision}": {"decision": "cancel"},
    "POST /intake-rules/{intake_rule_id}/{change}": {"change": "remove"},
    "POST /intake-rules/requests/{request_id}/{decision}": {"decision": "cancel"},
}
