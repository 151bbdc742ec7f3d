"""Records of Google Cloud, Kubernetes and Azure."""

from typing import Any

from tests.sources.mapping import FieldRule, ResourceRule, SourceTable, action, one_of, snake
from tests.sources.reasons import ADDRESSES, CHAIN, CLIENT, OUTCOME, OWN, PERIOD, RESOURCE, RIGHTS

OBJECT_ID = r"identity.claims.http://schemas\.microsoft\.com/identity/claims/objectidentifier"
UPN = r"identity.claims.http://schemas\.xmlsoap\.org/ws/2005/05/identity/claims/upn"
DECISION = r"annotations.authorization\.k8s\.io/reason"
CREDENTIAL = r"user.extra.authentication\.kubernetes\.io/credential-id[]"


def _principal_type(email: Any) -> str | None:
    if not email:
        return None
    return "service_account" if str(email).endswith("gserviceaccount.com") else "user"


GCP = SourceTable(
    "gcp",
    "Google Cloud audit logs",
    [("AuditLog", "https://cloud.google.com/logging/docs/reference/audit/auditlog/rest/Shared.Types/AuditLog"),
     ("LogEntry", "https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry")],
    [
        FieldRule("external_id", "insertId"),
        FieldRule("timestamp", "timestamp"),
        FieldRule("action", "protoPayload.methodName", action("gcp"), keeps=False),
        FieldRule("original_action", "protoPayload.methodName"),
        FieldRule("severity", "severity", one_of(
            {"NOTICE": "low", "WARNING": "medium", "ERROR": "high", "CRITICAL": "critical"}, "info")),
        FieldRule("status", "protoPayload.status.code", lambda code: "failed" if code else None, "other than 0: failed",
                  keeps=True),
        FieldRule("status_reason", "protoPayload.status.message"),
        FieldRule("actor.type", "protoPayload.authenticationInfo.principalEmail", _principal_type,
                  "`…gserviceaccount.com`: service_account", keeps=True),
        FieldRule("actor.email", "protoPayload.authenticationInfo.principalEmail"),
        FieldRule("actor.id", "protoPayload.authenticationInfo.principalSubject"),
        FieldRule("actor.on_behalf_of.email",
                  "protoPayload.authenticationInfo.serviceAccountDelegationInfo[].firstPartyPrincipal.principalEmail",
                  words="the first of the chain", keeps=True),
        FieldRule("context.ip_address", "protoPayload.requestMetadata.callerIp",
                  lambda value: None if value in ("private", "gce-internal-ip") else value),
        FieldRule("context.user_agent", "protoPayload.requestMetadata.callerSuppliedUserAgent"),
        FieldRule("context.account", "resource.labels.project_id"),
        FieldRule("context.region", "protoPayload.resourceLocation.currentLocations[] | resource.labels.location"),
        FieldRule("context.credential_id", "protoPayload.authenticationInfo.serviceAccountKeyName"),
        FieldRule("context.auth_method", "protoPayload.authenticationInfo.thirdPartyPrincipal.@type"),
        FieldRule("context.source", "protoPayload.serviceName"),
        FieldRule("context.request_id", "operation.id"),
        FieldRule("context.trace_id", "trace"),
        FieldRule("request", "protoPayload.request"),
        FieldRule("response", "protoPayload.response"),
    ],
    [
        ResourceRule("resource.type", "protoPayload.resourceName"),
        ResourceRule("resourceAttributes.type | =resource", "resource", role="permission",
                     within="protoPayload.authorizationInfo"),
    ],
    {
        "protoPayload.status.code": OUTCOME,
        "protoPayload.authenticationInfo": CHAIN,
        "protoPayload.authorizationInfo": RIGHTS,
        "protoPayload.requestMetadata": ADDRESSES,
        "receiveTimestamp": PERIOD,
        "operation": PERIOD,
        "resource.labels": RESOURCE,
        "protoPayload.@type": OWN,
        "logName": OWN,
    },
)  # fmt: skip


def _kubernetes_action(record: Any) -> str:
    about = record.get("objectRef") or {}
    nouns = [snake(str(about.get(name, ""))) for name in ("resource", "subresource")]
    return ".".join(filter(None, [*nouns, snake(record["verb"])])) if about else f"kubernetes.{record['verb']}"


def _user_type(name: Any) -> str | None:
    for begin, kind in (("system:serviceaccount:", "service_account"), ("system:anonymous", "anonymous"),
                        ("system:", "system")):  # fmt: skip
        if str(name).startswith(begin):
            return kind
    return "user" if name else None


KUBERNETES = SourceTable(
    "kubernetes",
    "Kubernetes audit",
    [("kube-apiserver Audit Configuration (v1)",
      "https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/")],
    [
        FieldRule("external_id", "auditID"),
        FieldRule("timestamp", "requestReceivedTimestamp"),
        FieldRule("action", "", _kubernetes_action, "resource, subresource and `verb`", keeps=True),
        FieldRule("original_action", "verb"),
        FieldRule("status", "responseStatus.code", lambda code: "failed" if code and code >= 400 else "success",
                  "400 and more: failed", keeps=True),
        FieldRule("status_reason", f"responseStatus.message | {DECISION}"),
        FieldRule("actor.type", "user.username", _user_type, "by the prefix `system:`", keeps=True),
        FieldRule("actor.id", "user.uid | user.username", keeps=False),
        FieldRule("actor.name", "user.username"),
        FieldRule("actor.on_behalf_of.type", "impersonatedUser.username", _user_type, "by the prefix `system:`",
                  keeps=True),
        FieldRule("actor.on_behalf_of.name", "impersonatedUser.username"),
        FieldRule("context.ip_address", "sourceIPs[]", words="the first", keeps=True),
        FieldRule("context.user_agent", "userAgent"),
        FieldRule("context.channel", "userAgent", lambda agent: "cli" if str(agent).startswith("kubectl/") else "api",
                  "`kubectl`: cli", keeps=True),
        FieldRule("context.credential_id", CREDENTIAL),
        FieldRule("request.uri", "requestURI"),
        FieldRule("request.object", "requestObject"),
        FieldRule("response.object", "responseObject"),
    ],
    [
        ResourceRule("objectRef.resource", "objectRef.uid", "objectRef.name"),
        ResourceRule("=namespace", name="objectRef.namespace", role="=namespace"),
    ],
    {
        "user.groups": RIGHTS,
        "user.extra": CHAIN,
        "impersonatedUser": RIGHTS,
        "sourceIPs": ADDRESSES,
        "stageTimestamp": PERIOD,
        "responseStatus": OUTCOME,
        "annotations": RIGHTS,
        "objectRef": RESOURCE,
        "apiVersion": OWN,
        "kind": OWN,
        "level": OWN,
        "stage": OWN,
    },
)  # fmt: skip


def _subscription(resource: Any) -> str | None:
    parts = str(resource).split("/")
    return parts[2] if len(parts) > 2 and parts[1].lower() == "subscriptions" else None


AZURE = SourceTable(
    "azure",
    "Azure Activity log",
    [("Azure Activity Log event schema",
      "https://learn.microsoft.com/en-us/azure/azure-monitor/platform/activity-log-schema")],
    [
        FieldRule("external_id", "properties.eventDataId"),
        FieldRule("timestamp", "time"),
        FieldRule("action", "operationName", lambda name: action()(str(name).lower()), keeps=True),
        FieldRule("original_action", "operationName"),
        FieldRule("severity", "level", one_of({"Warning": "medium", "Error": "high", "Critical": "critical"}, "info")),
        FieldRule("status", "resultType", one_of({"Failure": "failed"}, "success"), "Failure: failed", keeps=True),
        FieldRule("status_reason", "properties.statusMessage | resultDescription"),
        FieldRule("actor.type", "identity.claims.idtyp", one_of({"app": "service_account"}, "user"),
                  "app: service_account"),
        FieldRule("actor.id", OBJECT_ID),
        FieldRule("actor.email", UPN),
        FieldRule("actor.name", "identity.claims.name | identity.claims.appid"),
        FieldRule("context.ip_address", "callerIpAddress"),
        FieldRule("context.account", "resourceId", _subscription, "the subscription", keeps=True),
        FieldRule("context.region", "location"),
        FieldRule("context.auth_method", "identity.claims.amr"),
        FieldRule("context.credential_id", "identity.claims.uti"),
        FieldRule("context.session_id", "identity.claims.sid"),
        FieldRule("context.request_id", "properties.serviceRequestId"),
        FieldRule("context.trace_id", "correlationId"),
    ],
    [
        ResourceRule("properties.resourceProviderValue | =azure_resource", "resourceId", role="=target"),
        ResourceRule("=scope", "identity.authorization.scope", role="=scope"),
    ],
    {
        "resultType": OUTCOME,
        "resultSignature": OUTCOME,
        "properties.statusCode": OUTCOME,
        "durationMs": PERIOD,
        "identity.authorization": RIGHTS,
        "identity.claims": RIGHTS,
        "category": OWN,
        "properties": OWN,
        "tenantId": OWN,
        "identity.claims.ipaddr": ADDRESSES,
        "identity.claims.appid": CLIENT,
    },
)  # fmt: skip
