"""Sign-ins as the actions of the catalogue, so that what watches sign-ins sees those of AWS too.

The names are those of the user guide ("AWS Management Console sign-in events") and of the IAM Identity Center user
guide ("Understanding IAM Identity Center sign-in events").
"""

import re
from collections.abc import Mapping
from typing import Any

from tallystick.events.importers.aws.actor import role_of
from tallystick.events.importers.aws.arn import is_arn, kind_of_arn, name_of_arn
from tallystick.events.importers.aws.fields import LONGEST_NAME, object_of, present, text_of

_LOGIN = ("user.login", "user.login_failed")
# The action of a success and of a failure; an empty one: the action is AWS's own.
_ACTIONS = {
    "ConsoleLogin": _LOGIN,
    "UserAuthentication": _LOGIN,
    "Authenticate": _LOGIN,
    "CheckMfa": ("user.mfa_challenged", "user.login_failed"),
    "CredentialChallenge": ("user.mfa_challenged", "user.login_failed"),
    "CredentialVerification": ("", "user.login_failed"),  # once more than one is passed, UserAuthentication follows
    "SwitchRole": ("user.impersonation_started", "user.impersonation_started"),
    "ExitRole": ("user.impersonation_ended", "user.impersonation_ended"),
    "PasswordRecoveryRequested": ("user.password_reset_requested", "user.password_reset_requested"),
    "PasswordRecoveryCompleted": ("user.password_reset_completed", "user.password_reset_completed"),
    "PasswordUpdated": ("user.password_changed", "user.password_changed"),
    "EmailUpdated": ("user.email_changed", "user.email_changed"),
    "GetSigninToken": ("token.issued", "token.rejected"),
    "Logout": ("user.logout", "user.logout"),
    "LogOut": ("user.logout", "user.logout"),
    "SignOut": ("user.logout", "user.logout"),
}
_SERVICES = ("signin.amazonaws.com", "sso.amazonaws.com", "sso-directory.amazonaws.com")
_LOGIN_NAME = re.compile(r"(?:Login|SignIn|Signin|Authentication)$")


def is_sign_in(record: Mapping[str, Any]) -> bool:
    """Whether the record is one of AWS's sign-in, whose type is written `AwsConsoleSignIn` and `AwsConsoleSignin`."""
    is_event = text_of(record, "eventType").lower() == "awsconsolesignin"
    source = text_of(record, "eventSource").removesuffix(".cn")
    return is_event or (source in _SERVICES and text_of(record, "eventName") in _ACTIONS)


def sign_in_action(record: Mapping[str, Any], *, failed: bool) -> str:
    """The catalogue's action for a record of a sign-in; empty if there is none."""
    name = text_of(record, "eventName")
    if not is_sign_in(record) or _asks_for_password(record, failed=failed):
        return ""
    return _ACTIONS.get(name, _LOGIN if _LOGIN_NAME.search(name) else ("", ""))[failed]


def switched_role(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The role that somebody switched to or from in the console, then the identity that they had before."""
    if text_of(record, "eventName") not in ("SwitchRole", "ExitRole") or not is_sign_in(record):
        return []
    identity = object_of(record.get("userIdentity"))
    issuer = object_of(object_of(identity.get("sessionContext")).get("sessionIssuer"))
    before = text_of(object_of(record.get("additionalEventData")), "SwitchFrom")
    named = [("target", "iam_role", text_of(issuer, "arn"), role_of(identity))]
    if is_arn(before):
        named.append(("before", kind_of_arn(before), before, name_of_arn(before)))
    return [
        present({"type": kind, "id": arn[:LONGEST_NAME], "name": name[:LONGEST_NAME], "role": role})
        for role, kind, arn, name in named
        if name
    ]


def _asks_for_password(record: Mapping[str, Any], *, failed: bool) -> bool:
    """Whether it is the first step of a sign-in, which asks for no second factor."""
    credential = text_of(object_of(record.get("additionalEventData")), "CredentialType")
    return text_of(record, "eventName") == "CredentialChallenge" and credential == "PASSWORD" and not failed
