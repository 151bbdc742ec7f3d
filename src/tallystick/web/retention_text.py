"""Sentences about expiring and deleted events, and how many of them were exported."""

from tallystick.retention.change import RetentionPreview
from tallystick.store.expiry import ExpiryCount


def event_count_text(events: int, exact: bool) -> str:
    """`At least 1,000 events`; without "At least" if the number is exact."""
    return f"{'' if exact else 'At least '}{events:,} event{'' if events == 1 else 's'}"


_TO_KEEP = "make the retention longer or place a legal hold."


def expiry_text(count: ExpiryCount, days: int) -> tuple[str, ...]:
    """How many events expire within `days` days, and how many of them were never exported."""
    if not count.events:
        return (f"{'No events expire' if count.complete else 'No events found that expire'} within {days} days.",)
    verb = "expires" if count.events == 1 and count.complete else "expire"
    return f"{event_count_text(count.events, count.complete)} {verb} within {days} days.", export_share_text(count)


def late_text(count: ExpiryCount) -> str:
    """How many events wait for a purge, since they had expired when they were recorded."""
    number, late = event_count_text(count.events, count.complete), "older than what is kept when recorded"
    if count.events == 1 and count.complete:
        then = "It stays through one daily purge and is deleted by the next. To keep it, "
        return f"{number} was already {late}, as after an import. {then}{_TO_KEEP}"
    then = "They stay through one daily purge and are deleted by the next. To keep them, "
    return f"{number} were already {late}, as after an import. {then}{_TO_KEEP}"


def deletion_text(change: RetentionPreview) -> tuple[str, ...]:
    """What a change of retention deletes."""
    if change.days >= change.before.retention_days and not change.deletes.events:
        return ("No events are deleted. Events already deleted are not restored.",)
    if not change.deletes.events:
        return (f"{'No events are' if change.deletes.complete else 'No events found that are'} deleted now.",)
    verb = "is" if change.deletes.events == 1 and change.deletes.complete else "are"
    return (
        f"{event_count_text(change.deletes.events, change.deletes.complete)} {verb} permanently deleted.",
        export_share_text(change.deletes),
    )


def release_text(count: ExpiryCount) -> tuple[str, ...]:
    """What is deleted after a legal hold is released."""
    if not count.events:
        none = "None of its events has" if count.complete else "No events found that have"
        return (f"{none} expired, so nothing is deleted now.",)
    verb = "is" if count.events == 1 and count.complete else "are"
    return (
        f"{event_count_text(count.events, count.complete)} {verb} permanently deleted at the next purge.",
        export_share_text(count),
    )


def export_share_text(count: ExpiryCount) -> str:
    """How many of these events were exported or archived."""
    if count.outside == count.events:
        return "None of them were exported or archived." if count.events > 1 else "It was not exported or archived."
    if not count.outside:
        return "All of them were exported or archived." if count.events > 1 else "It was exported or archived."
    share = max(1, round(100 * count.outside / count.events))
    return f"{min(share, 99)} % of them ({count.outside:,}) were not exported or archived."
