"""The incident report as Markdown.

Markdown lets HTML through, and events hold what strangers sent: whatever could mean something to a
renderer is escaped, so that it shows the letters and nothing else.
"""

import re

from tallystick.render.incident_report import NO_EVENTS, NOT_WRITTEN, Happening, IncidentReport

_UNSEEN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_ANYWHERE = re.compile(r"([\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_AT_THE_BEGINNING = re.compile(r"^([#+\-=:])")
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")
# Some renderers make links of what merely looks like one.
_LINKS = re.compile(r"\b(https?|ftp|mailto|xmpp|javascript|vbscript|data):|\b(www)\.", re.IGNORECASE)


def incident_markdown(report: IncidentReport) -> str:
    """The whole report."""
    parts = [
        f"# {plain(report.title)}",
        "\n".join(f"- {plain(label)}: {plain(text)}" for label, text in report.about),
        "## Incident Report",
        "\n".join(f"- **{plain(label)}:** {_spread(text or NOT_WRITTEN)}" for label, text in report.lines),
        "## Timeline",
        f"Times in {plain(report.zone)}.",
        *(f"**Missing:** {plain(gap)}" for gap in report.gaps),
        *([] if report.happenings else [NO_EVENTS]),
        *map(_happening, report.happenings),
        "---",
        f"{plain(report.organization)} · generated {plain(report.generated_at)} by Tallystick",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(text: str) -> str:
    """The text on one line, so that a renderer shows just it."""
    line = _UNSEEN.sub("", " ".join(text.split()))
    line = _ANYWHERE.sub(r"\\\1", line.translate(_ENTITIES))
    line = _NUMBERED.sub(r"\1\\\2", _AT_THE_BEGINNING.sub(r"\\\1", line))
    return _LINKS.sub(lambda found: f"{found[1]}\\:" if found[1] else f"{found[2]}\\.", line)


def _spread(text: str) -> str:
    """Lines stay lines within the item they belong to."""
    return "\\\n  ".join(plain(line) for line in text.splitlines() if line.strip())


def _happening(happening: Happening) -> str:
    status = plain(happening.status)
    facts = [plain(mark) for mark in happening.marks]
    facts += [f"{plain(label)}: {plain(text)}" for label, text in happening.facts]
    blocks = [
        f"### {plain(happening.time)} {plain(happening.action)}",
        f"{plain(happening.summary)} ({f'**{status}**' if happening.is_failed else status})",
        "\n".join(f"- {fact}" for fact in facts),
        "\n".join(f"> {plain(line)}" for line in happening.note.splitlines()),
    ]
    return "\n\n".join(block for block in blocks if block)
