"""Case folding: the one way in which all text is compared, in Python as in the event store."""

import re

from tallystick.query.case_folding_table import LONGER, RUNS

_FINAL_SIGMA, _SIGMA = 0x3C2, "σ"

# Code point → text, as str.translate takes it. The engine writes a capital sigma at the end of a
# word as ς; both sides make it σ, so that folding does not depend on what stands beside a letter.
_TABLE: dict[int, str] = {
    point: chr(point + distance) for first, last, step, distance in RUNS for point in range(first, last + 1, step)
} | LONGER | {_FINAL_SIGMA: _SIGMA}  # fmt: skip

_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")


def fold(text: str) -> str:
    """`text` as ClickHouse's `replaceAll(lowerUTF8(text), 'ς', 'σ')` gives it; no other normalisation.

    It works character by character: fold(a + b) == fold(a) + fold(b), and fold(fold(a)) == fold(a).
    """
    if text.isascii():
        return text.lower()
    # bytes.lower changes ASCII only; str.translate is slow, so it gets only what it is needed for.
    lower = text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
    return _BEYOND_ASCII.sub(_fold_run, lower)


def _fold_run(run: re.Match[str]) -> str:
    return run[0].translate(_TABLE)
