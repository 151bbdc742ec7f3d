"""The canonical content of a review that is signed, and its SHA-256."""

from collections.abc import Sequence
from hashlib import sha256

import msgspec

from tallystick import ids
from tallystick.clock import optional_rfc3339, rfc3339
from tallystick.compliance.review import PREFIX, Review, ReviewFinding

FORMAT = "tallystick-review/v1"


def content_of(review: Review, findings: Sequence[ReviewFinding]) -> bytes:
    """Returns a review as canonical JSON: UTF-8, without whitespace, with the names of every object sorted.

    Equal reviews give equal bytes, so that their SHA-256 can be compared with the one in the audit log.
    """
    content = {
        "format": FORMAT,
        "id": review.public_id,
        "organization": ids.encode("org", review.org_id.bytes),
        "about": review.about,
        "corrects": None if review.corrects is None else ids.encode(PREFIX, review.corrects.bytes),
        "period": {"start": rfc3339(review.start), "end": rfc3339(review.end), "zone": review.zone},
        "filter": {name: list(values) for name, values in review.filter.items()},
        "position": review.position,
        "events": review.events,
        "findings": [
            {
                "event": finding.public_id,
                "index": finding.index,
                "severity": finding.severity,
                "note": finding.note,
                "marked_by": finding.marked_by,
                "marked_at": rfc3339(finding.marked_at),
            }
            for finding in sorted(findings, key=lambda finding: finding.index)
        ],
        "conclusion": review.conclusion,
        "opened_by": {"id": review.opened_by, "name": review.opened_by_name},
        "opened_at": rfc3339(review.opened_at),
        "signed_by": {"type": review.signed_by_kind, "id": review.signed_by, "name": review.signed_by_name},
        "signed_at": optional_rfc3339(review.signed_at),
    }
    return msgspec.json.encode(content, order="sorted")


def digest_of(review: Review, findings: Sequence[ReviewFinding]) -> str:
    """Returns the SHA-256 of a review's content in hexadecimal."""
    return sha256(content_of(review, findings)).hexdigest()


def matches_signature(review: Review, findings: Sequence[ReviewFinding]) -> bool:
    """Whether a review still equals what was signed; an erasure of personal data in it makes a difference."""
    return digest_of(review, findings) == review.sha256
