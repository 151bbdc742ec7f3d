"""What holds for every command."""

import pytest
import typer

from tallystick.cli.app import COMMANDS, assemble
from tests.cli.running import Run

# The only way from a Typer application to the names and help of its commands.
get_command = typer.main.get_command


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself_as_the_list_says(name: str) -> None:
    command = get_command(assemble([name])).commands[name]  # type: ignore[attr-defined]
    assert (command.help or "").split("\n\n")[0].replace("\n", " ") == COMMANDS[name][1]


def test_help_lists_every_command(operator: Run) -> None:
    done = operator("--help")
    assert done.returncode == 0
    assert [name for name in COMMANDS if name not in done.stdout] == []


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["org", "nonsense"], ["search", "--nonsense"], ["import", "x"], []]
)
def test_wrong_usage_ends_with_status_two(operator: Run, arguments: list[str]) -> None:
    assert operator(*arguments).returncode == 2


@pytest.mark.parametrize(
    "arguments", [["search", "deploy"], ["tail"], ["send", "a.b"], ["import", "--format", "tallystick", "-"]]
)
def test_a_client_command_without_a_key_says_how_to_get_one(operator: Run, arguments: list[str]) -> None:
    done = operator(*arguments)
    assert done.returncode == 1
    assert "tallystick key create" in done.stderr


@pytest.mark.parametrize("arguments", [["search", "deploy"], ["tail"], ["send", "a.b"]])
def test_a_server_out_of_reach_is_said_with_what_to_do(operator: Run, arguments: list[str]) -> None:
    done = operator(*arguments, TALLYSTICK_URL="http://127.0.0.1:1", TALLYSTICK_API_KEY="tsk_x")
    assert done.returncode == 1
    assert "TALLYSTICK_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_that_is_no_url_is_named(operator: Run) -> None:
    done = operator("search", TALLYSTICK_URL="localhost:8765", TALLYSTICK_API_KEY="tsk_x")
    assert done.returncode == 1
    assert "TALLYSTICK_URL" in done.stderr
