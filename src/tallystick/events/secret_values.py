"""What is a secret in the details of an event, by the names of keys and the form of texts.

Only texts are secrets. An object under the name of a secret (`authorization: {"scope": …, "role": …}`) is evidence but
for the texts in it that may be the secret itself; numbers, true, false and null are evidence everywhere.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from tallystick.setting_values import normalised

Members = dict[str, Any] | list[Any]
REDACTED = "[redacted]"
MAX_NAMES = 4096  # whose answer is kept
LONGEST_NAME = 100  # characters of a secret's name; longer texts are not compared

# The members of an entry that name something, as `normalised` writes them: a header, parameter, tag, changed field.
_NAME_WORDS = (
    "name", "key", "header", "field", "parameter", "property", "attribute", "variable", "label", "option", "setting",
)  # fmt: skip
NAME_KEYS = frozenset((*_NAME_WORDS, *(word + end for word in _NAME_WORDS for end in ("name", "key")), "k", "path"))
# The members that hold its value.
VALUE_KEYS = frozenset(
    {
        "value", "values", "val", "v", "content", "before", "after", "old", "new", "oldvalue", "newvalue",
        "previous", "current", "previousvalue", "currentvalue", "from", "to", "fromstring", "tostring",
        "stringvalue", "parametervalue", "headervalue", "fieldvalue", "attributevalue", "propertyvalue",
        "arrayvalue", "bytesvalue", "kvlistvalue", "textvalue", "rawvalue", "binaryvalue", "data", "text", "raw",
        "optionvalue", "settingvalue", "variablevalue",
    }
)  # fmt: skip
# What a text about a secret says, by the last word of its key: `scope`, `tokenId`, `expires_at`, `grantedBy`.
_EVIDENCE_WORDS = """
    account accounts action actions actor address age alg algorithm allowed app application arn at aud audience
    audiences authorizer by category class client cluster comment count created creator date decision
    description device domain duration effect email enabled end env environment event exp expiration expires
    expiry fingerprint flow for format grant granted grants group groups host hostname iat id identifier ids
    index iss issued issuer kid kind kms label language last length level location mechanism message method mfa
    mode modified name names namespace note number operation org organization origin outcome owner owners
    permission permissions permitted phase plan policies policy prefix principal principals priority privilege
    privileges product project protocol provider purpose realm reason region repository resource resources
    result revoked role roles rotated rotation rule rules samesite scheme scope scopes service services severity
    site size source stage start state status strength sub subject tag tags target team tenant tier time
    timestamp title topic ttl type types updated uri url usage used user username users validity vault verb
    version workspace zone
"""
_EVIDENCE = frozenset(_EVIDENCE_WORDS.split())
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# Texts that are secrets whatever their key says.
_CREDENTIAL = re.compile(
    r"\s*(?:(?:bearer|basic|negotiate|token|apikey)\s+(?=\S*[\d=+/._~])\S{8,}\s*$|aws4-hmac"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|eyJ[\w-]{8,}\.[\w-]+|gh[opsur]_\w{20}|github_pat_|glpat-|xox[abeoprs]-"
    r"|sk_(?:live|test)_|[^/\s]*://[^/\s:]+:[^/\s]+@)",
    re.IGNORECASE,
)
_HARMLESS = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?|true|false|yes|no|null|none|",
    re.IGNORECASE,
)
# The text behind a secret's name in a list of texts is a secret, unless it may be the next of several names.
_MAY_BE_NAME = re.compile(r"[A-Za-z_.*/-]{0,60}")
_COOKIES = ("cookie", "setcookie")  # as an object, its keys are the names that somebody gave to secrets
_SECRET_MAPS = ("data", "stringdata")  # of a Secret of Kubernetes: the same
_SEGMENTS = re.compile(r"[./:\[\]'\" ]+")


class SecretNames:
    """The names whose values are secrets: `redacted_keys`, as `normalised` writes them. Threads may share one."""

    def __init__(self, redacted_keys: frozenset[str]) -> None:
        self._redacted_keys = redacted_keys
        self.contains = lru_cache(maxsize=MAX_NAMES)(self.has_key)
        self._says_evidence = lru_cache(maxsize=MAX_NAMES)(self._find_evidence)

    def has_key(self, name: str) -> bool:
        """Whether it is such a name, or a path that ends with one (`http.request.header.cookie`, `/spec/password`)."""
        return _last_segment(name) in self._redacted_keys

    def names_secret(self, value: object) -> bool:
        """Whether a value is a text that is such a name."""
        return type(value) is str and len(value) <= LONGEST_NAME and self.contains(value)

    def comes_before_secret(self, name: str, following: object) -> bool:
        """Whether two neighbours in a list of texts are the name of a secret and the secret."""
        return self.names_secret(name) and type(following) is str and not _MAY_BE_NAME.fullmatch(following)

    def redact_members(self, value: Members, place: str, key: str, levels: int) -> list[str] | None:
        """Redact the secrets in an object or list that a secret's name (`key`) stands for, in place.

        Returns their places; `place` is that of `value`. None if it is nested deeper than `levels`.
        """
        redacted: list[str] = []
        is_map = _last_segment(key) in _COOKIES
        open_ = [(value, place, False, is_map, levels)]
        while open_:
            container, at, is_evidence, is_map, left = open_.pop()
            if left <= 0:
                return None
            members: Iterable[tuple[Any, Any]] = enumerate(container)
            if isinstance(container, dict):
                members = container.items()  # keeps its size, so going on is safe
                is_map = is_map and "name" not in map(str.lower, container)
            for member, inner in members:
                says = not is_map and (is_evidence if type(member) is int else self._says_evidence(member))
                kind = type(inner)
                if kind is str:
                    if inner is not REDACTED and is_secret_text(inner, says):
                        container[member] = REDACTED
                        redacted.append(f"{at}.{member}")
                elif kind is dict or kind is list:
                    inner_map = is_map or (type(member) is str and normalised(member) in _SECRET_MAPS)
                    open_.append((inner, f"{at}.{member}", says, inner_map, left - 1))
        return redacted

    def _find_evidence(self, key: str) -> bool:
        if normalised(key) in VALUE_KEYS or self.has_key(key):
            return False
        words = _WORD.findall(key[-LONGEST_NAME:])
        return bool(words) and words[-1].lower() in _EVIDENCE


def is_secret_text(text: str, says_evidence: bool) -> bool:
    """Whether a text about a secret may be the secret; `says_evidence`: its key promises a fact about it."""
    if says_evidence:
        return _CREDENTIAL.match(text) is not None
    return _HARMLESS.fullmatch(text) is None


def _last_segment(name: str) -> str:
    if _SEGMENTS.search(name):
        name = next((one for one in reversed(_SEGMENTS.split(name)) if one), "")
    return normalised(name)
