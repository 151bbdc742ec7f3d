"""Sentences about expiring and deleted events, and how many of them were exported."""

from tallystick.retention.change import RetentionPreview
from tallystick.store.expiry import ExpiryCount


def event_count_text(events: int, exact: bool) -> str:
    """`At least 1,000 events`; without "At least" if the number is exact."""
    return f"{'' if exact else 'At least '}{events:,} event{'' if events == 1 else 's'}"


def expiry_text(found: ExpiryCount, days: int) -> tuple[str, ...]:
    """How many events expire within `days` days, and how many of them were never exported."""
    if not found.events:
        return (f"{'No events expire' if found.complete else 'No events found that expire'} within {days} days.",)
    verb = "expires" if found.events == 1 and found.complete else "expire"
    return f"{event_count_text(found.events, found.complete)} {verb} within {days} days.", export_share_text(found)


def deletion_text(found: RetentionPreview) -> tuple[str, ...]:
    """What a change of retention deletes."""
    if found.days >= found.before.retention_days and not found.deletes.events:
        return ("No events are deleted. Events already deleted are not restored.",)
    if not found.deletes.events:
        return (f"{'No events are' if found.deletes.complete else 'No events found that are'} deleted now.",)
    verb = "is" if found.deletes.events == 1 and found.deletes.complete else "are"
    return (
        f"{event_count_text(found.deletes.events, found.deletes.complete)} {verb} permanently deleted.",
        export_share_text(found.deletes),
    )


def release_text(found: ExpiryCount) -> tuple[str, ...]:
    """What is deleted after a legal hold is released."""
    if not found.events:
        none = "None of its events has" if found.complete else "No events found that have"
        return (f"{none} expired, so nothing is deleted now.",)
    verb = "is" if found.events == 1 and found.complete else "are"
    return (
        f"{event_count_text(found.events, found.complete)} {verb} permanently deleted at the next purge.",
        export_share_text(found),
    )


def export_share_text(found: ExpiryCount) -> str:
    """How many of these events were exported or archived."""
    if found.outside == found.events:
        return "None of them were exported or archived." if found.events > 1 else "It was not exported or archived."
    if not found.outside:
        return "All of them were exported or archived." if found.events > 1 else "It was exported or archived."
    share = max(1, round(100 * found.outside / found.events))
    return f"{min(share, 99)} % of them ({found.outside:,}) were not exported or archived."
