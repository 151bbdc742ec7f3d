"""Write src/tallystick/query/case_folding_table.py: what the event store's `lowerUTF8` does to each code point.

    .venv/bin/python scripts/case_folding_table.py

To be run when the engine's Unicode version changes, which tests/search/test_fold.py notices.
"""

import tempfile
from pathlib import Path

import clickhouse_connect

TARGET = Path(__file__).parent.parent / "src/tallystick/query/case_folding_table.py"

HEAD = '''"""How the event store lower-cases; written by scripts/case_folding_table.py from {engine}, not by hand.

RUNS holds (first, last, step, distance): each `step`-th code point from first to last
becomes the one `distance` further on. LONGER holds code points that become several.
"""

'''


def lowered(folder: str) -> tuple[str, dict[int, str]]:
    """The engine's name, and what it makes of every code point that it changes."""
    client = clickhouse_connect.get_client(dsn=f"chdb:///{folder}")
    engine = client.query("SELECT version()").result_rows[0][0]
    rows = client.query(
        "SELECT number, decodeHTMLComponent(concat('&#', toString(number), ';')) AS letter, lowerUTF8(letter) AS low"
        " FROM numbers(1, 1114111) WHERE NOT (number BETWEEN 55296 AND 57343) AND letter != low ORDER BY number"
    ).result_rows
    client.close()
    return f"ClickHouse {engine}", {point: low for point, _, low in rows}


def runs(single: dict[int, int]) -> list[tuple[int, int, int, int]]:
    """Neighbours (or every second one, as capitals often stand) that move by the same distance, joined."""
    found: list[tuple[int, int, int, int]] = []
    for point, low in sorted(single.items()):
        if found:
            first, last, step, distance = found[-1]
            gap = point - last
            if low - point == distance and gap in (1, 2) and (gap == step or first == last):
                found[-1] = (first, point, gap, distance)
                continue
        found.append((point, point, 1, low - point))
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine, low = lowered(folder)
    single = {point: ord(text) for point, text in low.items() if len(text) == 1}
    lines = [HEAD.format(engine=engine), "# fmt: off\nRUNS = (\n"]
    line = "   "
    for run in runs(single):
        piece = " (0x{:X}, 0x{:X}, {}, {}),".format(*run)
        if len(line) + len(piece) > 118:
            lines.append(line + "\n")
            line = "   "
        line += piece
    longer = {point: text for point, text in low.items() if len(text) > 1}
    lines += [line + "\n)\n", f"LONGER = {{{', '.join(f'0x{p:X}: {t!a}' for p, t in longer.items())}}}\n"]
    TARGET.write_text("".join(lines).replace("'", '"'))


if __name__ == "__main__":
    main()
