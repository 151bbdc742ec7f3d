"""The name of a call: its service, its words, and the thing that its words name."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from tallystick.events.importers.aws.fields import snake, text_of

# Dates of API versions, as CloudFront, Lambda and others have them: `UpdateFunctionCode20150331v2`.
_API_DATE = re.compile(r"_?(?:19|20)\d\d_?(?:0[1-9]|1[0-2])_?(?:0[1-9]|[12]\d|3[01])(?:v\d+)?$")
_SINGULAR = frozenset(
    {"alias", "dns", "sms", "kms", "ebs", "rds", "ecs", "eks", "https", "tls", "aws", "canvas", "sns"}
)
_BEFORE_VERB = frozenset({"batch", "admin"})
_CREATE = frozenset({
    "create", "run", "allocate", "import", "copy", "register", "request", "restore", "launch", "start", "provision",
    "publish", "upload", "put", "purchase", "issue", "generate", "add", "clone", "initiate", "open", "send", "submit",
})  # fmt: skip
# Of the services whose calls belong to one.
CATEGORIES = {
    "signin": "authentication",
    "sts": "authentication",
    "iam": "users",
    "identitystore": "users",
    "organizations": "users",
    "sso": "users",
    "config": "policies",
    "guardduty": "policies",
    "securityhub": "policies",
    "cloudformation": "deployments",
    "codebuild": "deployments",
    "codedeploy": "deployments",
    "codepipeline": "deployments",
    "states": "workflows",
    "account": "settings",
    "billing": "settings",
}


class Call(NamedTuple):
    """`AttachUserPolicy` of IAM: service `iam`, verb `attach`, object `user_policy`."""

    service: str
    verb: str
    object: str

    @property
    def creates(self) -> bool:
        """Whether the answer may name what was made."""
        return self.verb in _CREATE


def call_of(record: Mapping[str, Any]) -> Call:
    """The call of a record."""
    words = snake(event_name(record)).split("_")
    while len(words) > 1 and words[0] in _BEFORE_VERB:
        words = words[1:]
    return Call(service_of(record), words[0], "_".join(map(singular, words[1:])))


def service_of(record: Mapping[str, Any]) -> str:
    """`ec2` for `ec2.amazonaws.com` and `ec2.amazonaws.com.cn`."""
    return text_of(record, "eventSource").partition(".amazonaws.com")[0]


def event_name(record: Mapping[str, Any]) -> str:
    """The name of the call without the date of its API's version."""
    return _API_DATE.sub("", text_of(record, "eventName"))


def singular(word: str) -> str:
    """`policy` for `policies`; a word that only looks like a plural stays."""
    if word in _SINGULAR:
        return word
    if word == "aliases":
        return "alias"
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2 else word
