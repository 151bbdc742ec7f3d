"""The rules that come with Tallystick."""

from functools import cache
from importlib.resources import files

from tallystick.alerts.rules_file import Written, read_rules
from tallystick.errors import NotFound


@cache
def shipped() -> tuple[Written, ...]:
    """All of them, by file and in its order."""
    folder = files("tallystick.alerts").joinpath("detections")
    texts = sorted((one.name, one.read_text("utf-8")) for one in folder.iterdir() if one.name.endswith(".yaml"))
    return tuple(rule for _, text in texts for rule in read_rules(text))


def one(name: str) -> Written:
    """The detection of that id; NotFound."""
    for rule in shipped():
        if rule.id == name:
            return rule
    raise NotFound(f"There is no detection {name[:60]!r}.", code="no_such_detection")
