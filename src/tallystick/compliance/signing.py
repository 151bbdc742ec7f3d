"""What exactly is signed: one canonical text, and its SHA-256."""

from collections.abc import Sequence
from hashlib import sha256

import msgspec

from tallystick import ids
from tallystick.clock import rfc3339
from tallystick.compliance.review import PREFIX, Review, ReviewFinding

FORMAT = "tallystick-review/v1"


def content_of(review: Review, findings: Sequence[ReviewFinding]) -> bytes:
    """The signed review as JSON: UTF-8, without blanks, the names of every object in order.

    The same for the same review, whoever asks and whenever: its SHA-256 stands in the trail.
    """
    said = {
        "format": FORMAT,
        "id": review.shown_id,
        "organization": ids.encode("org", review.org_id.bytes),
        "about": review.about,
        "corrects": None if review.corrects is None else ids.encode(PREFIX, review.corrects.bytes),
        "period": {"start": rfc3339(review.start), "end": rfc3339(review.end), "zone": review.zone},
        "filter": {name: list(values) for name, values in review.filter.items()},
        "position": review.position,
        "events": review.events,
        "findings": [
            {
                "event": one.shown_id,
                "index": one.index,
                "severity": one.severity,
                "note": one.note,
                "marked_by": one.marked_by,
                "marked_at": rfc3339(one.marked_at),
            }
            for one in sorted(findings, key=lambda one: one.index)
        ],
        "conclusion": review.conclusion,
        "opened_by": {"id": review.opened_by, "name": review.opened_by_name},
        "opened_at": rfc3339(review.opened_at),
        "signed_by": {"type": review.signed_by_kind, "id": review.signed_by, "name": review.signed_by_name},
        "signed_at": None if review.signed_at is None else rfc3339(review.signed_at),
    }
    return msgspec.json.encode(said, order="sorted")


def digest_of(review: Review, findings: Sequence[ReviewFinding]) -> str:
    """The SHA-256 of the content, in hexadecimal."""
    return sha256(content_of(review, findings)).hexdigest()


def matches_signature(review: Review, findings: Sequence[ReviewFinding]) -> bool:
    """Whether what is kept is still what was signed; an erasure of personal data changes it."""
    return digest_of(review, findings) == review.sha256
