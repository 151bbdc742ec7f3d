"""Organizations take turns: none waits for what another's rules, baselines or groups cost."""

import time
from contextlib import contextmanager
from itertools import count

from tallystick.alerts import evaluation, evaluator, rule_compiler, silence_checks, slow_organizations
from tallystick.alerts.slow_organizations import SlowOrganizations
from tallystick.clock import SECOND_US
from tests.alerts.rule_driver import BASE, Watch, failed

ONCE = {"query": "action:user.login_failed"}


def mine(watch: Watch, scope, rule):
    return [alert for alert in watch.alerts(scope) if alert.rule_id == rule.rule_id]


def next_index(watch: Watch, scope) -> int:
    return next((one.at[0] for one in watch.evaluator._waiting(0) if one.org_id == scope.org_id), -1)


def short_turns(monkeypatch, *, events: int = 16) -> None:
    """A turn ends after its first block, which has so many events."""
    monkeypatch.setattr(evaluator, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(evaluation, "LEAST_BLOCK", events)
    monkeypatch.setattr(evaluation, "LARGEST_BLOCK", events)


def test_a_backlog_of_one_organization_delays_anothers_alert_by_one_turn(sqlite_watch, monkeypatch):
    watch = sqlite_watch
    heavy, light = watch.spine.organization("heavy"), watch.spine.organization("light")
    watch.settle()
    watch.rule(heavy, "Heavy", query="word")
    alarm = watch.rule(light, "Alarm", query="action:alarm.raised")
    short_turns(monkeypatch)
    watch.spine.record(heavy, *[{"action": "thing.done"} for _ in range(200)])
    watch.evaluator.step()
    watch.spine.record(light, {"action": "alarm.raised"})
    watch.evaluator.step()
    assert len(mine(watch, light, alarm)) == 1
    assert 0 < next_index(watch, heavy) < watch.spine.size(heavy.org_id)


def test_an_organization_whose_rules_need_much_state_holds_up_no_other(sqlite_watch, monkeypatch):
    watch = sqlite_watch
    heavy, light = watch.spine.organization("heavy"), watch.spine.organization("light")
    watch.settle()
    watch.stop()
    slow = SlowOrganizations(watch.spine.database)
    watch, beside = Watch(watch.spine, slow=slow), Watch(watch.spine, slow=slow, is_slow=True)
    heavy_rules = [watch.rule(heavy, f"Heavy {number}", **ONCE, count=2, window_seconds=60) for number in range(3)]
    alarm = watch.rule(light, "Alarm", query="action:alarm.raised")
    monkeypatch.setattr(slow_organizations, "SLOW_SECONDS", 0.2)
    load = evaluation.load_state

    def load_slowly(connection, rule, *arguments):
        if rule.org_id == heavy.org_id:
            time.sleep(0.3)
        return load(connection, rule, *arguments)

    monkeypatch.setattr(evaluation, "load_state", load_slowly)
    watch.spine.record(heavy, failed(), failed(1))
    watch.spine.record(light, {"action": "alarm.raised"})
    watch.evaluator.step()
    assert len(mine(watch, light, alarm)) == 1
    assert not any(mine(watch, heavy, rule) for rule in heavy_rules)
    watch.evaluator.step()
    assert not any(mine(watch, heavy, rule) for rule in heavy_rules), "it is left to the evaluator of slow ones"
    beside.evaluator.step()
    assert all(len(mine(watch, heavy, rule)) == 1 for rule in heavy_rules)
    beside.stop()


def test_a_turn_keeps_its_progress_and_evaluates_each_event_once(sqlite_watch, monkeypatch):
    watch = sqlite_watch
    scope = watch.spine.organization()
    watch.settle()
    rule = watch.rule(scope, "Guessing", **ONCE, count=5, window_seconds=60, group_by="user")
    short_turns(monkeypatch, events=3)
    watch.spine.record(scope, *[failed(number, f"user{number % 4}@acme.com") for number in range(40)])
    positions = []
    while watch.evaluator.step():
        positions.append(next_index(watch, scope))
        if len(positions) == 5:
            watch.evaluator.stop()
            watch = Watch(watch.spine)
    assert len(positions) > 8
    # Each user has 10 events: the fifth to the tenth fire.
    assert sorted(alert.number for alert in mine(watch, scope, rule)) == sorted([5, 6, 7, 8, 9, 10] * 4)


def test_a_transaction_writes_a_bounded_number_of_alerts_and_none_is_lost_or_doubled(sqlite_watch, monkeypatch):
    monkeypatch.setattr(evaluator, "MOST_FIRINGS", 10)
    watch = sqlite_watch
    scope = watch.spine.organization()
    watch.settle()
    rule = watch.rule(scope, **ONCE)
    watch.spine.record(scope, *[failed(number) for number in range(100)])
    fired = []
    while watch.evaluator.step():
        fired.append(len(mine(watch, scope, rule)))
    assert max(after - before for before, after in zip([0, *fired], fired, strict=False)) <= 10
    assert fired[-1] == 100
    assert len({alert.event_ids for alert in mine(watch, scope, rule)}) == 100


def test_organizations_that_fire_much_are_written_in_transactions_of_their_own(sqlite_watch, monkeypatch):
    monkeypatch.setattr(evaluator, "MOST_FIRINGS", 10)
    watch = sqlite_watch
    scopes = [watch.spine.organization(slug) for slug in ("one", "two", "three")]
    watch.settle()
    rules = [watch.rule(scope, **ONCE) for scope in scopes]
    for scope in scopes:
        watch.spine.record(scope, *[failed(number) for number in range(6)])
    numbers = []
    write_results = evaluator.write_results

    def count_alerts(*arguments, **named):
        alerts = write_results(*arguments, **named)
        numbers.append(sum(alerts.values()))
        return alerts

    monkeypatch.setattr(evaluator, "write_results", count_alerts)
    watch.evaluator.step()
    assert len(numbers) == 3
    assert max(numbers) <= 10
    assert [len(mine(watch, scope, rule)) for scope, rule in zip(scopes, rules, strict=True)] == [6, 6, 6]


def test_a_transaction_that_takes_long_makes_the_next_batch_smaller(sqlite_watch, monkeypatch):
    watch = sqlite_watch
    monkeypatch.setattr(evaluator, "WRITE_SECONDS", 60.0)  # no transaction before takes long, on a busy machine either
    scope = watch.spine.organization()
    watch.settle()
    rule = watch.rule(scope, **ONCE)
    watch.spine.record(scope, *[failed(number) for number in range(30)])
    monkeypatch.setattr(evaluator, "WRITE_SECONDS", 0.0)
    monkeypatch.setattr(evaluator, "FEW_HITS", 1)
    before = next_index(watch, scope)
    watch.evaluator.step()
    first = next_index(watch, scope)
    watch.evaluator.step()
    assert first - before > next_index(watch, scope) - first == 1
    watch.settle()
    assert len(mine(watch, scope, rule)) == 30


def test_what_a_transaction_waits_for_makes_no_batch_smaller(sqlite_watch, monkeypatch):
    """Recording has the database most of the time while it is busy, which is when the most events wait for rules."""
    watch = sqlite_watch
    scope = watch.spine.organization()
    watch.settle()
    watch.rule(scope, **ONCE)
    monkeypatch.setattr(evaluator, "FIRST_EVENTS", 16)
    watch.spine.record(scope, *[{"action": "thing.done"} for _ in range(100)])
    write = watch.spine.database.write

    @contextmanager
    def wait_and_write():
        time.sleep(2 * evaluator.WRITE_SECONDS)
        with write() as connection:
            yield connection

    monkeypatch.setattr(watch.spine.database, "write", wait_and_write)
    before = next_index(watch, scope)
    watch.evaluator.step()
    first = next_index(watch, scope)
    watch.evaluator.step()
    assert next_index(watch, scope) - first > first - before


def test_a_transaction_with_few_hits_makes_no_batch_smaller(sqlite_watch, monkeypatch):
    """It took long because the machine is busy: with ever fewer events, rules would fall ever further behind."""
    watch = sqlite_watch
    scope = watch.spine.organization()
    watch.settle()
    watch.rule(scope, **ONCE)
    monkeypatch.setattr(evaluator, "FIRST_EVENTS", 16)
    monkeypatch.setattr(evaluator, "WRITE_SECONDS", 0.0)
    watch.spine.record(scope, *[{"action": "thing.done"} for _ in range(100)])
    before = next_index(watch, scope)
    watch.evaluator.step()
    first = next_index(watch, scope)
    watch.evaluator.step()
    assert next_index(watch, scope) - first > first - before


def test_a_late_beginning_of_a_sequence_tells_of_its_end_in_an_earlier_batch(sqlite_watch, monkeypatch):
    monkeypatch.setattr(evaluator, "FIRST_EVENTS", 1)
    monkeypatch.setattr(evaluator, "LEAST_EVENTS", 0)
    watch = sqlite_watch
    scope = watch.spine.organization()
    watch.settle()
    rule = watch.rule(
        scope, kind="sequence", query="action:user.disabled", group_by="resource", then="action:project.deleted",
        then_group_by="user", window_seconds=600,
    )  # fmt: skip
    jo = {"type": "user", "id": "usr_9", "name": "jo@acme.com"}
    disabled = failed(0, "maya@acme.com", action="user.disabled", resource=jo)
    deleted = failed(10, action="project.deleted", actor={"id": "usr_9", "email": "jo@acme.com"})
    watch.spine.record(scope, deleted, disabled)
    watch.settle()
    assert [alert.group for alert in mine(watch, scope, rule)] == ["jo@acme.com"]


def test_hits_of_many_rules_end_a_turn(sqlite_watch, monkeypatch):
    monkeypatch.setattr(evaluation, "MOST_HITS", 100)
    monkeypatch.setattr(evaluation, "LARGEST_BLOCK", 4)
    watch = sqlite_watch
    scope = watch.spine.organization()
    watch.settle()
    rules = [watch.rule(scope, f"Rule {number}", **ONCE, count=1000, window_seconds=60) for number in range(10)]
    watch.spine.record(scope, *[failed(number) for number in range(200)])
    first = next_index(watch, scope)
    watch.evaluator.step()
    assert len(rules) * 4 <= (next_index(watch, scope) - first) * len(rules) <= 200


def test_silence_is_found_in_one_organization_while_another_is_behind(sqlite_watch, monkeypatch):
    watch = sqlite_watch
    quiet, busy = watch.spine.organization("quiet"), watch.spine.organization("busy")
    watch.settle(BASE)
    rule = watch.rule(quiet, kind="silence", query="action:user.login_failed", window_seconds=60, group_by="user")
    watch.spine.record(quiet, failed(0))
    watch.settle(BASE)
    short_turns(monkeypatch, events=1)
    watch.spine.record(busy, *[failed(number) for number in range(50)])
    later = count(BASE + 10**6 * 10**6, 10 * SECOND_US)
    while watch.evaluator.step(next(later)) and not mine(watch, quiet, rule):
        pass
    assert len(mine(watch, quiet, rule)) == 1
    assert next_index(watch, busy) >= 0


def test_more_silent_groups_than_one_check_reads_are_all_found_once(sqlite_watch, monkeypatch):
    monkeypatch.setattr(silence_checks, "GROUPS_AT_ONCE", 3)
    watch = sqlite_watch
    scope = watch.spine.organization()
    watch.settle(BASE)
    rule = watch.rule(scope, kind="silence", query="action:user.login_failed", window_seconds=60, group_by="user")
    watch.spine.record(scope, *[failed(number, f"user{number}@acme.com") for number in range(10)])
    watch.settle(BASE)
    for seconds in range(10**6, 10**6 + 100, 10):
        watch.settle(BASE + seconds * SECOND_US)
    assert sorted(alert.group for alert in mine(watch, scope, rule)) == [f"user{one}@acme.com" for one in range(10)]


def test_baselines_are_built_in_turns_by_organization(sqlite_watch, monkeypatch):
    monkeypatch.setattr("tallystick.alerts.baseline.TURN_SECONDS", 0.0)
    monkeypatch.setattr("tallystick.search.scan.STEP", 2)
    watch = sqlite_watch
    heavy, light = watch.spine.organization("heavy"), watch.spine.organization("light")
    watch.spine.record(heavy, *[failed(number, f"user{number}@acme.com") for number in range(60)])
    watch.spine.record(light, failed(0), failed(1, ip="192.0.2.8"))
    watch.settle()
    rules = [watch.rule(scope, kind="first_seen", **ONCE, group_by="user", new="ip") for scope in (heavy, light)]
    steps = 0
    while watch.baselines.step() and light.org_id in watch.baselines._waiting():
        steps += 1
    assert heavy.org_id in watch.baselines._waiting()
    while watch.baselines.step():
        pass
    watch.spine.record(heavy, failed(100, "user7@acme.com", ip="198.51.100.1"))
    watch.spine.record(light, failed(100, ip="198.51.100.1"))
    watch.settle()
    assert [len(mine(watch, scope, rule)) for scope, rule in zip((heavy, light), rules, strict=True)] == [1, 1]


def test_many_new_rules_are_compiled_in_turns_and_the_others_not_again(sqlite_watch, monkeypatch):
    compiled: list[str] = []
    compile_rule = rule_compiler.CompiledRule
    monkeypatch.setattr(
        rule_compiler, "CompiledRule", lambda *given: compiled.append(given[1].query) or compile_rule(*given)
    )
    watch = sqlite_watch
    heavy, light = watch.spine.organization("heavy"), watch.spine.organization("light")
    watch.settle()
    rules = [watch.rule(heavy, f"Rule {number}", query=f"action:thing.done -w{number}") for number in range(20)]
    alarm = watch.rule(light, "Alarm", query="action:alarm.raised")
    compiled.clear()
    monkeypatch.setattr(evaluator, "TURN_SECONDS", 0.0)
    watch.spine.record(heavy, {"action": "thing.done"})
    watch.spine.record(light, {"action": "alarm.raised"})
    watch.evaluator.step()
    watch.evaluator.step()
    assert len(mine(watch, light, alarm)) == 1, "another organization waits for no rule but its own"
    assert not mine(watch, heavy, rules[0])
    while watch.evaluator.step():
        pass
    assert len(mine(watch, heavy, rules[0])) == 1
    assert len([query for query in compiled if "thing.done" in query]) == 20
