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
    [("CloudTrail record contents", f"{AWS}/cloudtrail-event-reference-record-contents.html"),
     ("CloudTrail userIdentity element", f"{AWS}/cloudtrail-event-reference-user-identity.html"),
     ("AWS Management Console sign-in events", f"{AWS}/cloudtrail-event-reference-aws-console-sign-in-events.html")],
    [
        FieldRule("external_id", "eventID"),
        FieldRule("timestamp", "eventTime"),
        FieldRule("action", "eventName", words="`eventSource` and this without its API's date, in snake case; of a "
                  "sign-in the catalogue's: `user.login`, `user.login_failed` and others"),
        FieldRule("original_action", "eventName", words="behind the service: `s3:PutBucketPolicy`"),
        FieldRule("status", "errorCode | errorMessage | responseElements | serviceEventDetails | additionalEventData",
                  words="an error, or a failure in the answer: failed"),
        FieldRule("status_reason", "errorCode | errorMessage", words="both, and in `changes`; else what says so"),
        FieldRule("actor.type", "userIdentity.type"),
        FieldRule("actor.id", "userIdentity.onBehalfOf.userId | userIdentity.principalId | userIdentity.arn",
                  words="of root the ARN; never the number of an account"),
        FieldRule("actor.name", "userIdentity.userName | userIdentity.principalId", words="of a role its session"),
        FieldRule("actor.email", "userIdentity.principalId", words="of a role's session that is named for a person"),
        FieldRule("actor.on_behalf_of.id", "userIdentity.sessionContext.sessionIssuer.arn | "
                  "userIdentity.onBehalfOf.userId", words="the role of a session, or the person for whom it acts"),
        FieldRule("context.ip_address", "sourceIPAddress"),
        FieldRule("context.source", "sourceIPAddress", words="if it is no address"),
        FieldRule("context.user_agent", "userAgent"),
        FieldRule("context.request_id", "requestID"),
        FieldRule("context.account", "recipientAccountId | userIdentity.accountId"),
        FieldRule("context.region", "awsRegion"),
        FieldRule("context.credential_id", "userIdentity.accessKeyId | userIdentity.credentialId"),
        FieldRule("context.session_id", "userIdentity.accessKeyId | userIdentity.principalId",
                  words="a temporary key, `ASIA…`, or the session of a role"),
        FieldRule("context.auth_method", "userIdentity.type | additionalEventData.MFAUsed | "
                  "userIdentity.sessionContext.attributes.mfaAuthenticated", words="mfa, saml, oidc, sso, password"),
        FieldRule("context.channel", "eventType | sessionCredentialFromConsole | userAgent", words="web, cli or api"),
        FieldRule("request", "requestParameters"),
        FieldRule("response", "responseElements"),
    ],
    [
        ResourceRule("type", "ARN", within="resources"),
        ResourceRule("=ec2_instance", "requestParameters.instancesSet.items[].instanceId", role="=target"),
        ResourceRule("=iam_user", "requestParameters.userName", role="=target"),
        ResourceRule("=iam_policy", "requestParameters.policyArn", role="=policy"),
        ResourceRule("=iam_access_key", "responseElements.accessKey.accessKeyId", role="=target"),
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
