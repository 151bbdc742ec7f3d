"""Records of identity providers and of Slack."""

from typing import Any

from tests.sources.mapping import (
    FieldRule,
    Record,
    ResourceRule,
    SourceTable,
    action,
    from_seconds,
    one_of,
    snake,
    text,
)
from tests.sources.reasons import ADDRESSES, CHAIN, CLIENT, OUTCOME, OWN, RESOURCE, RIGHTS, RISK

COUNTRIES = {"Germany": "DE", "United States": "US", "Brazil": "BR", "France": "FR"}
FAILED = {"FAILURE": "failed", "DENY": "failed", "RATE_LIMIT": "failed", "failure": "failed", "timeout": "failed"}


def _network(security: Any) -> str | None:
    """`AS3320 Deutsche Telekom AG`"""
    if not isinstance(security, dict) or not security.get("asNumber"):
        return None
    return f"AS{security['asNumber']} {security.get('asOrg', '')}".strip()


OKTA = SourceTable(
    "okta",
    "Okta System Log",
    [("System Log", "https://developer.okta.com/docs/api/openapi/okta-management/management/tag/SystemLog/")],
    [
        FieldRule("external_id", "uuid"),
        FieldRule("timestamp", "published"),
        FieldRule("action", "eventType", action()),
        FieldRule("original_action", "eventType"),
        FieldRule("description", "displayMessage"),
        FieldRule("severity", "severity", one_of({"DEBUG": "info", "INFO": "info", "WARN": "medium", "ERROR": "high"})),
        FieldRule(
            "status", "outcome.result", one_of(FAILED, "success"), "FAILURE, DENY, RATE_LIMIT: failed", keeps=True
        ),
        FieldRule("status_reason", "outcome.reason"),
        FieldRule(
            "actor.type",
            "actor.type",
            one_of({"User": "user", "SystemPrincipal": "system"}, "service_account"),
            "User, SystemPrincipal: system, others: service_account",
        ),
        FieldRule("actor.id", "actor.id"),
        FieldRule("actor.email", "actor.alternateId", lambda value: value if "@" in str(value) else None),
        FieldRule("actor.name", "actor.displayName"),
        FieldRule("context.ip_address", "client.ipAddress"),
        FieldRule("context.country", "client.geographicalContext.country", COUNTRIES.get, "as two letters"),
        FieldRule("context.network", "securityContext", _network, "from `asNumber` and `asOrg`", keeps=True),
        FieldRule("context.user_agent", "client.userAgent.rawUserAgent"),
        FieldRule("context.session_id", "authenticationContext.externalSessionId"),
        FieldRule("context.request_id", "transaction.id"),
        FieldRule("context.credential_id", "transaction.detail.requestApiTokenId"),
        FieldRule("context.auth_method", "authenticationContext.credentialType | debugContext.debugData.factor"),
        FieldRule("context.channel", "transaction.type", one_of({"WEB": "web", "JOB": "scheduled"}), "web, scheduled"),
        FieldRule("changes", "target[].changeDetails"),
    ],
    [ResourceRule("type", "id", "displayName | alternateId", within="target")],
    {
        "outcome.result": OUTCOME,
        "actor.alternateId": OWN,
        "securityContext": RISK,
        "client": CLIENT,
        "client.geographicalContext": ADDRESSES,
        "client.zone": ADDRESSES,
        "request.ipChain": ADDRESSES,
        "authenticationContext": OWN,
        "debugContext": OWN,
        "legacyEventType": OWN,
        "version": OWN,
        "target[].alternateId": RESOURCE,
        "target[].detailEntry": RESOURCE,
    },
)


def _is_sign_in(record: Record) -> bool:
    return "createdDateTime" in record


def _modified(targets: Any) -> dict[str, Any] | None:
    """The modified properties of all targets as changes."""
    entries = [one for target in targets or () for one in target.get("modifiedProperties") or ()]
    return {
        one["displayName"]: {"before": one.get("oldValue"), "after": one.get("newValue")} for one in entries
    } or None


ENTRA = SourceTable(
    "entra",
    "Microsoft Entra sign-ins and directory audits",
    [
        ("signIn resource type", "https://learn.microsoft.com/en-us/graph/api/resources/signin"),
        ("directoryAudit resource type", "https://learn.microsoft.com/en-us/graph/api/resources/directoryaudit"),
    ],
    [
        FieldRule("external_id", "id"),
        FieldRule("timestamp", "createdDateTime | activityDateTime"),
        FieldRule("action", "status.errorCode", lambda code: "user.login" if code == 0 else "user.login_failed",
                  "`user.login` or `user.login_failed`", keeps=True, when=_is_sign_in),
        FieldRule("action", "activityDisplayName", action("directory")),
        FieldRule("original_action", "activityDisplayName"),
        FieldRule("status", "result", one_of(FAILED, "success"), "failure, timeout: failed", keeps=True),
        FieldRule("status_reason", "status.failureReason | resultReason"),
        FieldRule("actor.type", "initiatedBy.app.servicePrincipalId | servicePrincipalId",
                  lambda value: "service_account" if value else None, "service_account", keeps=True),
        FieldRule("actor.id", "initiatedBy.user.id | initiatedBy.app.servicePrincipalId | servicePrincipalId | userId"),
        FieldRule("actor.email", "initiatedBy.user.userPrincipalName | userPrincipalName"),
        FieldRule("actor.name", "initiatedBy.user.displayName | initiatedBy.app.displayName | servicePrincipalName | "
                  "userDisplayName"),
        FieldRule("context.ip_address", "ipAddress | initiatedBy.user.ipAddress"),
        FieldRule("context.country", "location.countryOrRegion"),
        FieldRule("context.region", "location.state"),
        FieldRule("context.user_agent", "userAgent"),
        FieldRule("context.network", "autonomousSystemNumber", lambda value: f"AS{value}" if value else None),
        FieldRule("context.request_id", "correlationId"),
        FieldRule("context.session_id", "sessionId"),
        FieldRule("context.credential_id", "servicePrincipalCredentialKeyId"),
        FieldRule("context.account", "resourceTenantId"),
        FieldRule("context.source", "loggedByService"),
        FieldRule("context.auth_method", "authenticationDetails[].authenticationMethod", text, "the first", keeps=True),
        FieldRule("context.auth_method", "authenticationRequirement"),
        FieldRule("changes", "targetResources", _modified, "from `modifiedProperties`", keeps=True),
    ],
    [
        ResourceRule("type", "id", "displayName | userPrincipalName", within="targetResources"),
        ResourceRule("=application", "appId", "appDisplayName", "=application"),
        ResourceRule("=service", "resourceId", "resourceDisplayName", "=resource"),
    ],
    {
        "status": OUTCOME,
        "result": OUTCOME,
        "initiatedBy": CHAIN,
        "location": ADDRESSES,
        "deviceDetail": CLIENT,
        "clientAppUsed": CLIENT,
        "risk": RISK,
        "conditionalAccess": RIGHTS,
        "authenticationDetails": OWN,
        "authenticationRequirement": OWN,
        "isInteractive": OWN,
        "category": OWN,
        "operationType": OWN,
        "additionalDetails": OWN,
        "targetResources[]": RESOURCE,
    },
)  # fmt: skip

SLACK = SourceTable(
    "slack",
    "Slack audit logs",
    [("Audit Logs API methods & actions", "https://docs.slack.dev/reference/audit-logs-api/methods-actions-reference")],
    [
        FieldRule("external_id", "id"),
        FieldRule("timestamp", "date_create", from_seconds, "seconds as a time"),
        FieldRule("action", "action", action("slack")),
        FieldRule("original_action", "action"),
        FieldRule("status", "action", lambda name: "failed" if str(name).endswith("_failed") else "success",
                  "`…_failed`: failed", keeps=True),
        FieldRule("status_reason", "details.reason"),
        FieldRule("actor.type", "actor.type", one_of({"user": "user"}, "service_account"), "others: service_account"),
        FieldRule("actor.id", "actor.user.id"),
        FieldRule("actor.email", "actor.user.email"),
        FieldRule("actor.name", "actor.user.name"),
        FieldRule("context.ip_address", "context.ip_address"),
        FieldRule("context.user_agent", "context.ua"),
        FieldRule("context.session_id", "context.session_id", text),
        FieldRule("context.account", "context.location.id"),
        FieldRule("context.source", "context.app.name"),
        FieldRule("context.credential_id", "context.app.id"),
        FieldRule("context.auth_method", "details.type", snake, when=lambda record: record["action"] == "user_login"),
        FieldRule("changes.value.before", "details.previous_value"),
        FieldRule("changes.value.after", "details.new_value"),
    ],
    [
        *(ResourceRule("entity.type", f"entity.{kind}.id", f"entity.{kind}.name", "=entity")
          for kind in ("user", "channel", "file", "app", "workspace", "enterprise", "workflow", "role")),
        ResourceRule("=channel", "details.channel", role="=channel"),
        ResourceRule("=user", "details.target_user", role="=target"),
    ],
    {
        "actor.user.team": RIGHTS,
        "context.location": RESOURCE,
        "context.app": RIGHTS,
        "entity": RESOURCE,
    },
)  # fmt: skip
