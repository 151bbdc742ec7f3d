"""Compares two lists of intake rules: whether the second may keep an event for a shorter time than the first."""

from tallystick.intake_rules.rule import IntakeRule, Rules


def keeps_less(before: Rules, after: Rules, retention_days: int) -> bool:
    """Whether `after` may keep some event for a shorter time than `before`; False only if it certainly does not.

    A rule of `after` that shortens nothing is harmless. Any other must stand in `before` too, keeping events for no
    longer than now. The event that it decides on in `after` was decided on in `before` by that same rule, or by one
    further up; those further up that kept events for longer must still stand above it, so that it was none of them.
    """
    places = {rule.id: place for place, rule in enumerate(after)}
    for place, rule in enumerate(after):
        days = rule.kept_days(retention_days)
        if days >= retention_days:
            continue
        earlier = next((number for number, one in enumerate(before) if _is_same(one, rule)), None)
        if earlier is None or before[earlier].kept_days(retention_days) > days:
            return True
        for shield in before[:earlier]:
            if shield.kept_days(retention_days) <= days:
                continue
            now_at = places.get(shield.id)
            if now_at is None or now_at > place or not _is_same(after[now_at], shield):
                return True
    return False


def _is_same(one: IntakeRule, other: IntakeRule) -> bool:
    return (one.id, one.query) == (other.id, other.query)
