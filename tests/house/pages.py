"""Pages of the documentation that come from the code; `make docs` writes them, a test compares them."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from tallystick import setting_values, settings, telemetry
from tallystick.cli.app import assemble
from tallystick.events.catalogue import CATALOGUE
from tests.house.access_page import access_page
from tests.house.api_page import api_page
from tests.house.sources_page import sources_page
from tests.house.tables import NOTE, table
from tests.house.tree import ROOT


def settings_page() -> str:
    """docs/reference/settings.md"""
    rows = [
        (f"`{name}`", default if "`" in default or " " in default or default == "none" else f"`{default}`", meaning)
        for name, default, meaning in settings.table()
    ]
    built_in = ", ".join(f"`{key}`" for key in setting_values.REDACTED_KEYS)
    return f"""# Settings

{NOTE}
A setting is read from the environment; what is not there, from `{settings.TOML_NAME}` in the directory where
the command runs; what is not there either has its default. In the file a name goes without `{settings.PREFIX}` and in
lower case (`data_dir = "/var/lib/tallystick"`), and a list may be written as one. An unknown name in the file, or a
value that cannot be used, stops the start with a message that names the setting and says what to write.

{table(("name", "default", "meaning"), rows)}
Client commands (`import`, `send`, `search`, `tail`) read none of these, but `TALLYSTICK_URL` (default
`http://127.0.0.1:8765`) and `TALLYSTICK_API_KEY`.

The built-in keys whose values are redacted, compared without case, `-` and `_`, as whole names: {built_in}.
"""


def actions_page() -> str:
    """docs/reference/actions.md"""
    rows = [(f"`{one.action}`", one.category, one.status, one.severity, one.sentence) for one in CATALOGUE.values()]
    return f"""# Actions

{NOTE}
The actions that Tallystick knows. Category and status are what an event has when it gives none itself; the sentence
is its `summary`. Any other action of the form `noun.verb` is recorded as well, and marked `"known": false`.

{table(("action", "category", "status", "severity", "sentence"), rows)}"""


def metrics_page() -> str:
    """docs/operate/metrics.md"""
    rows = []
    for metric in telemetry.registry.collect():
        if metric.name.startswith("tallystick_"):
            name = metric.name + ("_total" if metric.type == "counter" else "")
            rows.append((f"`{name}`", metric.type, metric.documentation + "."))
    return f"""# Metrics

{NOTE}
`GET /metrics` answers in the Prometheus text format. It takes no API key. By default only this machine can read it; set
`TALLYSTICK_METRICS_NETWORKS` to the network of your Prometheus server, or `TALLYSTICK_METRICS_TOKEN` to a token that it
sends (`authorization: {{credentials: …}}` in its scrape configuration). `TALLYSTICK_METRICS_NETWORKS=none` without a
token closes it. A request through a proxy that is not in `TALLYSTICK_TRUSTED_PROXIES` needs the token.

Beside these it holds what the client library tells of any process (`process_resident_memory_bytes` and the like).

{table(("name", "kind", "meaning"), rows)}"""


# What is said of an option's value where the option's own words say it already.
_PLAIN_TYPE = re.compile(r"\s*<(?:list\[)?(?:str|int|int range)\]?>")


def _value_of(option: str) -> str:
    return re.sub(r"<list\[(.+)\]>", r"<\1>", _PLAIN_TYPE.sub("", option)).strip()


def _command(command: Any, path: str) -> Iterator[str]:
    """The section of one command, or those of the commands below it."""
    below = getattr(command, "commands", None)
    if below:
        for name, one in below.items():
            yield from _command(one, f"{path} {name}")
        return
    context = command.context_class(command, info_name=path)
    pieces = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    arguments = re.sub("[{}]", "", " ".join(pieces))
    yield f"## `{f'{path} {arguments}'.strip()}`\n"
    yield inspect.cleandoc(command.help or "").replace("\b", "").strip() + "\n"
    shown = [parameter.get_help_record(context) for parameter in command.params if "--help" not in parameter.opts]
    rows = [(f"`{_value_of(name)}`", " ".join(meaning.split())) for name, meaning in filter(None, shown)]
    if rows:
        yield table(("argument or option", "meaning"), rows)


def commands_page() -> str:
    """docs/reference/commands.md"""
    root: Any = get_command(assemble([]))
    text = "\n".join(part for name in root.commands for part in _command(get_command(assemble([name])), "tallystick"))
    return f"""# Commands

{NOTE}
Results go to standard output, words about them to standard error. The exit status is 0, 1 (failed) or 2 (wrong use).

{text}"""


PAGES = {
    "docs/reference/access.md": access_page,
    "docs/reference/api.md": api_page,
    "docs/reference/settings.md": settings_page,
    "docs/reference/actions.md": actions_page,
    "docs/reference/commands.md": commands_page,
    "docs/operate/metrics.md": metrics_page,
    "docs/guides/sources.md": sources_page,
}


def write() -> None:
    """Write every page."""
    for path, page in PAGES.items():
        target = ROOT / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write()
