"""Changes of an organization's intake rules: at once, or as a decision of two people where events are kept for less."""

from typing import Any
from urllib.parse import urlencode

import msgspec
from sqlalchemy import Connection

from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.current_scope import require_owner
from tallystick.access.decisions import (
    Decision,
    DecisionKind,
    cancel_decision,
    confirm_decision,
    decides_alone,
    find_pending,
    request_decision,
    show_decision,
)
from tallystick.access.scopes import require, require_person, require_whole_trail
from tallystick.errors import Conflict
from tallystick.intake_rules.rule import MOST_RULES, IntakeRule, Rules, check_rule, invalid_rule
from tallystick.intake_rules.rule_list import Edit, RuleList, find_rule, new_rule_id, read_rule_list, write_rules
from tallystick.intake_rules.strength import keeps_less
from tallystick.query.scope import Scope

# A list that drops events, or keeps them for a shorter time.
INTAKE_RULES = DecisionKind(
    "intake_rules", frozenset({"owner"}), "/intake-rules", "intake_rules_change", "organization", "org"
)


class RulesProposal(msgspec.Struct, frozen=True):
    """The list that a decision would set, and the one when it was requested."""

    before: Rules
    after: Rules


def add_rule(
    connection: Connection,
    scope: Scope,
    query: str,
    do: str,
    days: int | None = None,
    position: int | None = None,
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> IntakeRule:
    """Add a rule at a position (from 1; by default the last), or request that; returns the rule.

    Raises BadRequest (`bad_intake_rule`, or the code of a mistake in the query), Conflict (`too_many_intake_rules`,
    `decision_pending`), Forbidden as `_change`.
    """
    require(scope, "admin")
    organizations.lock_row(connection, scope.org_id)
    text = query.strip()
    effect, kept = check_rule(text, do, days, organizations.retention_days(connection, scope.org_id))
    rule = IntakeRule(new_rule_id(now), text, effect, kept, scope.principal.label[:254], now)
    if len(read_rule_list(connection, scope.org_id, now).decided) >= MOST_RULES:
        raise Conflict(f"There are already {MOST_RULES} intake rules. Remove one first.", code="too_many_intake_rules")
    given = {"query": text, "do": effect, "days": kept, "position": position}
    _change(connection, scope, lambda rules: _placed(rules, rule, position), given, now=now, caller=caller)
    return rule


def change_rule(
    connection: Connection,
    scope: Scope,
    public_id: str,
    days: int | None = None,
    position: int | None = None,
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> IntakeRule:
    """Change the days of a rule or its position (from 1), or request that; returns the rule as it would be.

    Errors as `add_rule`; NotFound (`no_intake_rule`).
    """
    require(scope, "admin")
    organizations.lock_row(connection, scope.org_id)
    rule = find_rule(read_rule_list(connection, scope.org_id, now).decided, public_id)
    if days is not None:
        _, kept = check_rule(rule.query, rule.do, days, organizations.retention_days(connection, scope.org_id))
        rule = msgspec.structs.replace(rule, days=kept)

    def edit(rules: Rules) -> Rules:
        places = {one.id: place for place, one in enumerate(rules, 1)}
        if rule.id not in places:
            return rules
        others = tuple(one for one in rules if one.id != rule.id)
        return _placed(others, rule, places[rule.id] if position is None else position)

    given = {"rule": public_id, "days": days, "position": position}
    _change(connection, scope, edit, given, now=now, caller=caller)
    return rule


def remove_rule(connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE) -> None:
    """Remove a rule, or request that, if rules below it then apply to events that it kept for longer.

    Errors as `change_rule`.
    """
    require(scope, "admin")
    organizations.lock_row(connection, scope.org_id)
    find_rule(read_rule_list(connection, scope.org_id, now).decided, public_id)

    def edit(rules: Rules) -> Rules:
        return tuple(one for one in rules if one.id != public_id)

    _change(connection, scope, edit, {"remove": public_id}, now=now, caller=caller)


def confirm_rules(
    connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE
) -> Decision:
    """Confirm a requested list as another owner, and set it. Errors of `confirm_decision`; NotFound (`no_decision`),
    Conflict (`decision_outdated`) if the rules have changed since the request."""
    organizations.lock_row(connection, scope.org_id)
    decision = show_decision(connection, scope, public_id, INTAKE_RULES.name)
    wanted = rules_proposal(decision)
    before = read_rule_list(connection, scope.org_id, now).decided
    confirmed = confirm_decision(connection, scope, INTAKE_RULES, decision, now=now, caller=caller)
    if before != wanted.before:
        raise Conflict(
            "The intake rules have changed since this was requested. Request it again.", code="decision_outdated"
        )
    if confirmed.state == "confirmed":
        _write(connection, scope, lambda _rules: wanted.after, before, wanted.after, now, caller)
    return confirmed


def rules_proposal(decision: Decision) -> RulesProposal:
    """What a decision of the kind INTAKE_RULES would set."""
    return msgspec.json.decode(decision.proposal, type=RulesProposal)


def pending_rules(connection: Connection, scope: Scope, now: int) -> Decision | None:
    """The request that waits for a second owner, if one does."""
    require_whole_trail(scope)
    found = find_pending(connection, scope, INTAKE_RULES, scope.org_id)
    return None if found is None or found.expires_at <= now else found


def _change(
    connection: Connection,
    scope: Scope,
    edit: Edit,
    given: dict[str, Any],
    *,
    now: int,
    caller: Caller,
) -> None:
    """Make a change of the list, or request it, if some event would be kept for a shorter time.

    That takes a person who is an owner, and where the organization has two owners a second one. Raises Forbidden
    (`person_required`, `owner_only`, `missing_permission`), Conflict (`decision_pending`).
    """
    before = read_rule_list(connection, scope.org_id, now).decided
    after = edit(before)
    if after == before:
        return
    days = organizations.retention_days(connection, scope.org_id)
    is_less = keeps_less(before, after, days)
    if is_less:  # before it is asked whether a key is an owner's: no key decides this
        query = urlencode({"look": "new", **{name: value for name, value in given.items() if value is not None}})
        require_person(scope, f"{INTAKE_RULES.page}?{query}#new")
    require_owner(connection, scope)
    if not is_less or decides_alone(connection, scope, INTAKE_RULES, page=INTAKE_RULES.page, now=now):
        _write(connection, scope, edit, before, after, now, caller)
        return
    proposal = msgspec.json.encode(RulesProposal(before, after)).decode()
    request_decision(
        connection, scope, INTAKE_RULES, scope.org_id,
        title=organizations.of_scope(connection, scope).name, proposal=proposal,
        changes=list_changes(before, after), now=now, caller=caller,
    )  # fmt: skip


def _write(
    connection: Connection, scope: Scope, edit: Edit, before: Rules, after: Rules, now: int, caller: Caller
) -> RuleList:
    days = organizations.retention_days(connection, scope.org_id)
    is_less = keeps_less(before, after, days)
    written = write_rules(connection, scope.org_id, edit, retention_days=days, now=now)
    organization = organizations.of_scope(connection, scope)
    record_own(
        connection, scope.org_id, "audit_log.intake_rules_weakened" if is_less else "audit_log.intake_rules_changed",
        by=scope.principal, caller=caller, now=now,
        on=resource("organization", organization.org_id, "org", organization.name),
        changes=list_changes(before, after),
    )  # fmt: skip
    outdated = find_pending(connection, scope, INTAKE_RULES, scope.org_id)
    if outdated is not None:
        cancel_decision(connection, scope, INTAKE_RULES, outdated, now=now, caller=caller)
    return written


def list_changes(before: Rules, after: Rules) -> dict[str, Any]:
    """What differs between two lists, for audit events: rules by their id, and the order if it is another one."""
    was, is_now = ({rule.id: _described(rule) for rule in rules} for rules in (before, after))
    changes: dict[str, Any] = {
        name: {"before": was.get(name), "after": is_now.get(name)}
        for name in {**was, **is_now}
        if was.get(name) != is_now.get(name)
    }
    kept = set(was) & set(is_now)
    order = [[rule.id for rule in rules if rule.id in kept] for rules in (before, after)]
    if order[0] != order[1]:
        changes["order"] = {"before": [rule.id for rule in before], "after": [rule.id for rule in after]}
    return changes


def _described(rule: IntakeRule) -> dict[str, Any]:
    return {"query": rule.query, "do": rule.do} | ({} if rule.days is None else {"days": rule.days})


def _placed(rules: Rules, rule: IntakeRule, position: int | None) -> Rules:
    if position is not None and not 1 <= position <= MOST_RULES:
        raise invalid_rule("position", f"Give a position from 1 to {MOST_RULES}.")
    at = len(rules) if position is None else min(position - 1, len(rules))
    return (*rules[:at], rule, *rules[at:])
