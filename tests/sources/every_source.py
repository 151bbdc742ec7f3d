"""Every audit log whose records are tried: ten of each, and what their facts become."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tallystick.events.importers import cloudtrail
from tests.sources.clouds import AZURE, GCP, KUBERNETES
from tests.sources.directories import ENTRA, OKTA, SLACK
from tests.sources.infrastructure import GITHUB, GITLAB, TELEPORT, VAULT
from tests.sources.mapping import FieldRule, ResourceRule, SourceTable
from tests.sources.reasons import CHAIN, OWN

AWS = "https://docs.aws.amazon.com/awscloudtrail/latest/userguide"
RECORDS = Path(__file__).parent / "records"


class _ImportedTrail(SourceTable):
    """CloudTrail, whose records the product's importer turns into events; the table only says what it does."""

    def event_of(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return cloudtrail.event_of_record(dict(record))


CLOUDTRAIL = _ImportedTrail(
    "cloudtrail",
    "AWS CloudTrail",
    [("CloudTrail record contents", f"{AWS}/cloudtrail-event-reference-record-contents.html")],
    [
        FieldRule("external_id", "eventID"),
        FieldRule("timestamp", "eventTime"),
        FieldRule("action", "eventName", words="`eventSource` and this, in snake case"),
        FieldRule("original_action", "eventName", words="behind the service: `s3:PutBucketPolicy`"),
        FieldRule("status", "errorCode | responseElements.ConsoleLogin", words="an error, or Failure: failed"),
        FieldRule("status_reason", "errorCode | errorMessage", words="both, and in `changes`"),
        FieldRule("actor.type", "userIdentity.type"),
        FieldRule("actor.id", "userIdentity.principalId | userIdentity.arn"),
        FieldRule("actor.name", "userIdentity.userName | userIdentity.sessionContext.sessionIssuer.userName"),
        FieldRule("actor.email", "userIdentity.principalId", words="of a role's session that is named for a person"),
        FieldRule("actor.on_behalf_of.id", "userIdentity.onBehalfOf.userId"),
        FieldRule("context.ip_address", "sourceIPAddress"),
        FieldRule("context.source", "sourceIPAddress", words="if it is no address"),
        FieldRule("context.user_agent", "userAgent"),
        FieldRule("context.request_id", "requestID"),
        FieldRule("context.account", "recipientAccountId | userIdentity.accountId"),
        FieldRule("context.region", "awsRegion"),
        FieldRule("context.credential_id", "userIdentity.accessKeyId | userIdentity.credentialId"),
        FieldRule("context.session_id", "userIdentity.accessKeyId", words="of a temporary key, `ASIA…`"),
        FieldRule("context.auth_method", "userIdentity.type | additionalEventData.MFAUsed | "
                  "userIdentity.sessionContext.attributes.mfaAuthenticated", words="mfa, saml, oidc, sso, password"),
        FieldRule("context.channel", "eventType | sessionCredentialFromConsole | userAgent", words="web, cli or api"),
        FieldRule("request", "requestParameters"),
        FieldRule("response", "responseElements"),
    ],
    [
        ResourceRule("type", "ARN", within="resources"),
        ResourceRule("=s3_bucket", "requestParameters.bucketName"),
        ResourceRule("=ec2_instance", "requestParameters.instanceId"),
        ResourceRule("=iam_policy", "requestParameters.policyArn"),
        ResourceRule("=iam_role", "requestParameters.roleName | requestParameters.roleArn"),
    ],
    {
        "user_identity": CHAIN,
        "additional_event_data": OWN,
        "service_event_details": OWN,
        "session_credential_from_console": OWN,
        "read_only": OWN,
        "management_event": OWN,
        "event_type": OWN,
        "event_category": OWN,
        "event_version": OWN,
        "event_source": OWN,
        "event_name": OWN,
        "resources": OWN,
        "account": OWN,
        "region": OWN,
    },
)  # fmt: skip

SOURCES = (OKTA, GITHUB, GCP, KUBERNETES, AZURE, ENTRA, TELEPORT, SLACK, GITLAB, VAULT, CLOUDTRAIL)


class SampleRecord(NamedTuple):
    """A record, and searches that find it by its facts, as a person would write them."""

    record: Mapping[str, Any]
    found: Sequence[str]


def samples_of(source: SourceTable) -> list[SampleRecord]:
    """The records written after the source's documentation."""
    lines = (RECORDS / f"{source.name}.ndjson").read_text(encoding="utf-8").splitlines()
    return [SampleRecord(one["record"], one["found"]) for one in map(json.loads, lines)]
