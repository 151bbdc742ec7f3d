"""Who made a call, by the types of identity of the user guide ("CloudTrail userIdentity element").

An account number is nobody's id: it stays the account. The role or user that a session was issued by is whom it acts
for, so that `user:` finds the sessions of a role under the role's name.
"""

import re
from collections.abc import Mapping
from typing import Any

from tallystick.events.importers.aws.arn import name_of_arn
from tallystick.events.importers.aws.fields import HIDDEN, LONGEST_EMAIL, LONGEST_NAME, object_of, present, text_of

_NOBODY = "ANONYMOUS_PRINCIPAL"  # of requests to S3 that nobody signed
_EMAIL = re.compile(r"[^\s@:]+@[^\s@:]+\.[^\s@:]+")
_ACCOUNT = re.compile(r"\d{12}")
_TYPES = {
    "AssumedRole": "service_account",
    "Role": "service_account",
    "AWSAccount": "service_account",
    "AWSService": "system",
    "Unknown": "anonymous",
}
_SESSIONS = ("AssumedRole", "FederatedUser", "Role")
_PEOPLES_ROLE = "AWSReservedSSO_"  # the roles of IAM Identity Center, whose sessions are named for people
_AUTH_METHODS = {"SAMLUser": "saml", "WebIdentityUser": "oidc", "IdentityCenterUser": "sso", "Directory": "directory"}
_TEMPORARY_KEY = "ASIA"  # how the ids of keys begin that belong to one session


def identity_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record's `userIdentity`, with the name that a sign-in to IAM Identity Center has elsewhere."""
    identity = object_of(record.get("userIdentity"))
    name = text_of(object_of(record.get("additionalEventData")), "UserName")
    return identity if text_of(identity, "userName") or not name else identity | {"userName": name}


def actor_of(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The actor of an event; without anything that names it, an anonymous one."""
    kind, name = text_of(identity, "type"), _name(identity)
    person = text_of(_context(identity), "sourceIdentity")
    email = next((text for text in (person, text_of(identity, "userName"), name) if _EMAIL.fullmatch(text)), "")
    actor = {
        "type": "user" if email else _type(identity, name),
        "id": "" if name == HIDDEN else _id(identity)[:LONGEST_NAME],
        "name": (name if kind in _SESSIONS and not person else person or name)[:LONGEST_NAME],
        "email": email[:LONGEST_EMAIL],
        "on_behalf_of": _on_behalf_of(identity),
    }
    return present(actor)


def credentials_of(record: Mapping[str, Any]) -> tuple[str, str]:
    """The id of the credential, and that of the session: of the temporary key, or of the role's session."""
    identity = object_of(record.get("userIdentity"))
    key = text_of(identity, "accessKeyId") or text_of(identity, "credentialId")
    workflow = text_of(object_of(record.get("additionalEventData")), "AuthWorkflowID")
    of_key = key if key.startswith(_TEMPORARY_KEY) else text_of(identity, "credentialId")
    of_role = text_of(identity, "principalId") if _session(identity) else ""
    return key[:LONGEST_NAME], (of_key or workflow or of_role)[:LONGEST_NAME]


def auth_method_of(record: Mapping[str, Any]) -> str:
    """How the actor signed in, if the record says so."""
    identity = object_of(record.get("userIdentity"))
    attributes = object_of(_context(identity).get("attributes"))
    used_mfa = text_of(object_of(record.get("additionalEventData")), "MFAUsed")
    if str(attributes.get("mfaAuthenticated")).lower() == "true" or used_mfa == "Yes":
        return "mfa"
    by_password = used_mfa == "No" and text_of(identity, "type") in ("IAMUser", "Root")
    return _AUTH_METHODS.get(text_of(identity, "type"), "password" if by_password else "")


def _type(identity: Mapping[str, Any], name: str) -> str:
    kind, principal = text_of(identity, "type"), text_of(identity, "principalId")
    if name == HIDDEN or text_of(identity, "accountId") == _NOBODY:
        return "anonymous"
    if principal.startswith("AIDA") or text_of(_context(identity), "sourceIdentity"):
        return "user"
    if kind == "Unknown" and name:
        return "user"
    if kind in _SESSIONS and role_of(identity).startswith(_PEOPLES_ROLE):
        return "user"
    if not kind and text_of(identity, "invokedBy"):
        return "system"
    return _TYPES.get(kind, "user" if kind or name or principal else "anonymous")


def _id(identity: Mapping[str, Any]) -> str:
    """The first that identifies the actor alone."""
    kind, arn, account = text_of(identity, "type"), text_of(identity, "arn"), text_of(identity, "accountId")
    if kind == "Root":
        return arn or (f"arn:aws:iam::{account}:root" if account else "")
    person = text_of(object_of(identity.get("onBehalfOf")), "userId") if kind == "IdentityCenterUser" else ""
    principal = text_of(identity, "principalId")
    if account and principal.startswith(f"{account}:"):  # of a federated user, whose ARN says what it is
        principal = arn or principal
    return next((one for one in (person, principal, arn) if one and one != account and not _ACCOUNT.fullmatch(one)), "")


def _name(identity: Mapping[str, Any]) -> str:
    kind, arn, name = text_of(identity, "type"), text_of(identity, "arn"), text_of(identity, "userName")
    account, service = text_of(identity, "accountId"), text_of(identity, "invokedBy")
    if kind == "Root":
        return "root"
    if kind in _SESSIONS:
        return _session(identity) or name or (name_of_arn(arn) if arn else "")
    if name or arn:
        return name or name_of_arn(arn)
    if kind == "AWSService" or not kind:
        return service
    if kind == "AWSAccount" and account and account != _NOBODY:
        return f"account {account}"
    return ""


def _on_behalf_of(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The person of IAM Identity Center for whom a role acts; else the role or user that issued the session."""
    kind = text_of(identity, "type")
    person = text_of(object_of(identity.get("onBehalfOf")), "userId")
    if kind == "IdentityCenterUser":
        return {}
    if person:
        return {"type": "user", "id": person[:LONGEST_NAME]}
    issuer = object_of(_context(identity).get("sessionIssuer"))
    name = role_of(identity) if kind in _SESSIONS else ""
    if not name:
        return {}
    arn, principal = text_of(issuer, "arn"), text_of(issuer, "principalId")
    identifier = arn or ("" if _ACCOUNT.fullmatch(principal) else principal)
    is_role = text_of(issuer, "type") in ("Role", "")
    named = {"id": identifier[:LONGEST_NAME], "name": name[:LONGEST_NAME]}
    return present({"type": "service_account" if is_role else "user"} | named)


def _session(identity: Mapping[str, Any]) -> str:
    """The name of the session of a role or federated user."""
    if text_of(identity, "type") not in (*_SESSIONS, "AWSAccount"):
        return ""
    return text_of(identity, "principalId").partition(":")[2]


def role_of(identity: Mapping[str, Any]) -> str:
    """The name of who issued the session: `admin` of `…:assumed-role/admin/mei` too."""
    issuer = object_of(_context(identity).get("sessionIssuer"))
    if name := text_of(issuer, "userName"):
        return name
    if text_of(issuer, "type") == "Root":
        return "root"
    pieces = text_of(identity, "arn").split("/")
    return pieces[-2] if len(pieces) > 2 and "assumed-role" in pieces[0] else ""


def _context(identity: Mapping[str, Any]) -> dict[str, Any]:
    return object_of(identity.get("sessionContext"))
