"""The operator's commands on the control database."""

import json
import re
import stat
from pathlib import Path

from tests.cli.running import Run


def test_an_organization_is_made_with_the_plan_enterprise_and_a_year(operator: Run) -> None:
    assert operator("org", "create", "acme").returncode == 0
    [listed] = json.loads(operator("org", "list", "--json").stdout)
    assert (listed["slug"], listed["plan"], listed["retention_days"]) == ("acme", "enterprise", 365)


def test_a_plan_brings_its_retention_and_days_override_it(operator: Run) -> None:
    free = json.loads(operator("org", "create", "a", "--plan", "free", "--json").stdout)
    longer = json.loads(operator("org", "create", "b", "--plan", "pro", "--retention-days", "30", "--json").stdout)
    assert (free["retention_days"], longer["retention_days"]) == (7, 30)


def test_a_new_organization_has_its_log(operator: Run) -> None:
    operator("org", "create", "acme")
    # A second one under the name would leave a log without organization, were the two not made together.
    assert operator("org", "create", "acme").returncode == 1
    assert len(json.loads(operator("org", "list", "--json").stdout)) == 1


def test_the_name_of_an_organization_is_no_markup(operator: Run) -> None:
    name = "[link=https://evil.example]Acme[/link] [/nothing]"
    operator("org", "create", "acme", "--name", name)
    assert name in operator("org", "list").stdout


def test_retention_is_changed(operator: Run) -> None:
    operator("org", "create", "acme")
    assert "3,650" in operator("org", "retention", "acme", "3650").stdout
    [listed] = json.loads(operator("org", "list", "--json").stdout)
    assert listed["retention_days"] == 3650


def test_a_plan_is_changed_with_its_days_and_a_shorter_time_says_how_to_go_back(operator: Run) -> None:
    operator("org", "create", "acme")
    done = operator("org", "plan", "acme", "pro")
    assert "pro, events are kept 90 days" in done.stdout
    assert "tallystick org retention acme 365" in done.stderr
    assert operator("org", "plan", "acme", "gold").returncode == 2
    (listed,) = json.loads(operator("org", "list", "--json").stdout)
    assert (listed["plan"], listed["retention_days"]) == ("pro", 90)


def test_an_unknown_organization_is_said_with_what_to_do(operator: Run) -> None:
    operator("org", "create", "acme")
    done = operator("org", "retention", "nobody", "30")
    assert (done.returncode, done.stdout) == (1, "")
    assert "org list" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_is_printed_alone(operator: Run) -> None:
    operator("org", "create", "acme")
    done = operator(
        "key", "create", "--org", "acme", "--name", "ci", "--scope", "events:write", "--scope", "events:read"
    )
    assert done.returncode == 0
    assert re.fullmatch(r"tsk_[0-9A-Za-z]{36}\n", done.stdout)


def test_keys_are_listed_rotated_and_revoked(operator: Run) -> None:
    operator("org", "create", "acme")
    operator("key", "create", "--org", "acme", "--name", "ci", "--scope", "events:write")
    [key] = json.loads(operator("key", "list", "--org", "acme", "--json").stdout)
    assert (key["name"], key["state"], key["scopes"]) == ("ci", "active", ["events:write"])
    rotated = operator("key", "rotate", key["id"], "--org", "acme", "--overlap-hours", "1")
    assert re.fullmatch(r"tsk_[0-9A-Za-z]{36}\n", rotated.stdout)
    assert operator("key", "revoke", key["id"], "--org", "acme").returncode == 0
    states = [one["state"] for one in json.loads(operator("key", "list", "--org", "acme", "--json").stdout)]
    assert states == ["active", "revoked"]
    assert "revoked" in operator("key", "list", "--org", "acme").stdout


def test_a_key_of_another_organization_is_not_found(operator: Run) -> None:
    operator("org", "create", "acme")
    operator("org", "create", "other")
    operator("key", "create", "--org", "acme", "--name", "ci", "--scope", "events:write")
    [key] = json.loads(operator("key", "list", "--org", "acme", "--json").stdout)
    for act in ("rotate", "revoke"):
        done = operator("key", act, key["id"], "--org", "other")
        assert (done.returncode, done.stdout) == (1, "")


def test_an_unknown_scope_is_a_usage_error_that_names_the_known_ones(operator: Run) -> None:
    done = operator("key", "create", "--org", "acme", "--name", "ci", "--scope", "everything")
    assert done.returncode == 2
    assert "events:write" in done.stderr


def test_a_person_without_a_given_password_gets_one_printed_alone(operator: Run) -> None:
    operator("org", "create", "acme")
    done = operator("user", "create", "ada@acme.com", "--org", "acme", "--role", "owner")
    assert done.returncode == 0
    assert re.fullmatch(r"\S{16,}\n", done.stdout)


def test_a_given_password_is_never_printed(operator: Run) -> None:
    operator("org", "create", "acme")
    words = "correct horse battery staple"
    done = operator(
        "user",
        "create",
        "ada@acme.com",
        "--org",
        "acme",
        "--role",
        "owner",
        "--password-stdin",
        input_text=words + "\n",
    )
    assert done.returncode == 0
    assert words not in done.stdout + done.stderr


def test_a_person_of_another_organization_is_added_and_keeps_the_password(operator: Run) -> None:
    for slug in ("one", "two"):
        operator("org", "create", slug)
    operator("user", "create", "ada@acme.com", "--org", "one", "--role", "owner")
    done = operator("user", "create", "ada@acme.com", "--org", "two", "--role", "auditor")
    assert (done.returncode, done.stdout) == (0, "")


def test_an_empty_standard_input_is_no_password(operator: Run) -> None:
    operator("org", "create", "acme")
    done = operator("user", "create", "ada@acme.com", "--org", "acme", "--role", "owner", "--password-stdin")
    assert done.returncode == 2
    assert "password" in done.stderr


def test_a_bad_setting_is_named(operator: Run) -> None:
    done = operator("org", "list", TALLYSTICK_RATE_LIMIT="fast")
    assert done.returncode == 1
    assert "TALLYSTICK_RATE_LIMIT" in done.stderr


def test_a_database_out_of_reach_is_said_without_a_traceback(operator: Run) -> None:
    secret = "s" * 64
    done = operator(
        "org", "list", TALLYSTICK_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", TALLYSTICK_SECRET_KEY=secret
    )
    assert done.returncode == 1
    assert "TALLYSTICK_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_data_directory_keeps_its_secret_to_itself(operator: Run, tmp_path: Path) -> None:
    operator("org", "create", "acme")
    assert stat.S_IMODE((tmp_path / "data" / "secret.key").stat().st_mode) == 0o600
