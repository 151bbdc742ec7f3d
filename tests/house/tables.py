"""Tables of the pages that come from the code."""

from collections.abc import Sequence

NOTE = "<!-- Written by `make docs` from the code; a test compares them. -->\n"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    cells = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells) + "\n"
