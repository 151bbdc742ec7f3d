"""Numbers of retention in sentences: what goes, and whether it ever left."""

from tallystick.retention.change import RetentionPreview
from tallystick.store.expiry import Tally


def number_words(events: int, exact: bool) -> str:
    """`At least 1,000 events`"""
    return f"{'' if exact else 'At least '}{events:,} event{'' if events == 1 else 's'}"


def soon_words(found: Tally, days: int) -> tuple[str, ...]:
    """What expires within so many days, and how much of it never left the server."""
    if not found.events:
        return (f"{'No' if found.complete else 'As far as could be counted, no'} event expires within {days} days.",)
    verb = "expires" if found.events == 1 and found.complete else "expire"
    return f"{number_words(found.events, found.complete)} {verb} within {days} days.", left_words(found)


def gone_words(found: RetentionPreview) -> tuple[str, ...]:
    """What a change deletes."""
    if found.days >= found.before.retention_days and not found.deletes.events:
        return ("Nothing is deleted by this. It brings nothing back either.",)
    if not found.deletes.events:
        return (
            f"{'No' if found.deletes.complete else 'As far as could be counted, no'} event is deleted by this now.",
        )
    verb = "is" if found.deletes.events == 1 and found.deletes.complete else "are"
    return (
        f"{number_words(found.deletes.events, found.deletes.complete)} {verb} deleted, for good.",
        left_words(found.deletes),
    )


def freed_words(found: Tally) -> tuple[str, ...]:
    """What goes when a hold is released."""
    if not found.events:
        none = "No" if found.complete else "As far as could be counted, no"
        return (f"{none} event of it is past its retention: nothing goes at once.",)
    verb = "goes" if found.events == 1 and found.complete else "go"
    return f"{number_words(found.events, found.complete)} {verb} with the next purge, for good.", left_words(found)


def left_words(found: Tally) -> str:
    """Whether these ever left the server."""
    if found.outside == found.events:
        return (
            "None of them was ever exported or archived." if found.events > 1 else "It was never exported or archived."
        )
    if not found.outside:
        return "All of them were exported or archived." if found.events > 1 else "It was exported or archived."
    share = max(1, round(100 * found.outside / found.events))
    return f"{min(share, 99)} % of them ({found.outside:,}) were never exported or archived."
