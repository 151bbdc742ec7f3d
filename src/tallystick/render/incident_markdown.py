"""The incident report as Markdown.

Markdown allows HTML, and events contain text from strangers. So every character that could mean something to a
renderer is escaped, and the renderer shows the text literally.
"""

import re

from tallystick.display_text import display_block, display_line
from tallystick.render.incident_report import NO_EVENTS, NOT_WRITTEN, IncidentEvent, IncidentReport

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_ANYWHERE = re.compile(r"([\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_AT_THE_BEGINNING = re.compile(r"^([#+\-=:])")
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")
# Some renderers turn plain text that looks like a link into one.
_LINKS = re.compile(r"\b(https?|ftp|mailto|xmpp|javascript|vbscript|data):|\b(www)\.", re.IGNORECASE)


def incident_markdown(report: IncidentReport) -> str:
    """The report as Markdown."""
    parts = [
        f"# {plain(report.title)}",
        "\n".join(f"- {plain(label)}: {plain(text)}" for label, text in report.about),
        "## Incident Report",
        "\n".join(f"- **{plain(label)}:** {_spread(text or NOT_WRITTEN)}" for label, text in report.lines),
        "## Timeline",
        f"Times in {plain(report.zone)}.",
        *(f"**Missing:** {plain(gap)}" for gap in report.gaps),
        *([] if report.events else [NO_EVENTS]),
        *map(_event_lines, report.events),
        "---",
        f"{plain(report.organization)} · generated {plain(report.generated_at)} by Tallystick",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(text: str) -> str:
    """The text on one line, escaped, so that a renderer shows it literally."""
    line = _ANYWHERE.sub(r"\\\1", display_line(text).translate(_ENTITIES))
    line = _NUMBERED.sub(r"\1\\\2", _AT_THE_BEGINNING.sub(r"\\\1", line))
    return _LINKS.sub(lambda found: f"{found[1]}\\:" if found[1] else f"{found[2]}\\.", line)


def _spread(text: str) -> str:
    """The lines of a text, with hard line breaks, within one list item."""
    return "\\\n  ".join(plain(line) for line in display_block(text).split("\n") if line.strip())


def _event_lines(event: IncidentEvent) -> str:
    status = plain(event.status)
    facts = [plain(mark) for mark in event.marks]
    facts += [f"{plain(label)}: {plain(text)}" for label, text in event.facts]
    blocks = [
        f"### {plain(event.time)} {plain(event.action)}",
        f"{plain(event.summary)} ({f'**{status}**' if event.is_failed else status})",
        "\n".join(f"- {fact}" for fact in facts),
        "\n".join(f"> {plain(line)}" for line in display_block(event.note).split("\n") if line),
    ]
    return "\n\n".join(block for block in blocks if block)
