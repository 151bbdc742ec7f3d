"""Finds many words in many texts at once, at a cost that hardly depends on the number of words."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

GRAM_BYTES = 4
MOST_OF_GRAM = 20  # words: more with one beginning are not worth an index
TABLE_BITS = 20
_FACTOR = np.uint32(2_654_435_761)  # spreads grams that differ little over the table (Knuth)
Grams = npt.NDArray[np.uint32]


class WordIndex:
    """An index of folded words. `words` are those that it finds; very short ones are not among them.

    Each word is known by four of its bytes, of which a table says whether any word is known by them. So all places of
    all texts are looked up in one pass, and only where the table says yes, the word itself is compared.
    """

    def __init__(self, words: Iterable[str]) -> None:
        by_gram: defaultdict[int, list[str]] = defaultdict(list)
        for word in sorted(set(words)):
            grams = _grams_of(word.encode("utf-8", "surrogatepass"))
            # The gram with the fewest words: beginnings such as `user` are common.
            best = min(grams, key=lambda gram: len(by_gram[gram]), default=None)
            if best is not None and len(by_gram[best]) < MOST_OF_GRAM:
                by_gram[best].append(word)
        self._by_gram: Mapping[int, list[str]] = {gram: some for gram, some in by_gram.items() if some}
        self.words: Collection[str] = frozenset(word for some in self._by_gram.values() for word in some)
        self._table = np.zeros(1 << TABLE_BITS, dtype=np.bool_)
        self._table[_places(np.fromiter(self._by_gram, dtype=np.uint32, count=len(self._by_gram)))] = True

    def rows_by_word(self, texts: Sequence[str]) -> dict[str, list[int]]:
        """Returns for each word that occurs in any of the texts the positions of these texts, ascending."""
        encoded = [text.encode("utf-8", "surrogatepass") + b"\0\0\0" for text in texts]
        ends = np.cumsum([len(text) for text in encoded])
        data = b"".join(encoded) + b"\0" * GRAM_BYTES
        pairs = [self._candidates(data, offset, ends) for offset in range(GRAM_BYTES)]
        rows: dict[str, list[int]] = {}
        for pair in np.unique(np.concatenate(pairs)).tolist():
            row, gram = pair >> 32, pair & 0xFFFFFFFF
            for word in self._by_gram.get(gram, ()):
                if word in texts[row]:
                    rows.setdefault(word, []).append(row)
        return rows

    def _candidates(self, data: bytes, offset: int, ends: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
        """Returns `text << 32 | gram` for the grams at offset, offset + 4, … that the table has."""
        grams = np.frombuffer(data, dtype="<u4", offset=offset, count=(len(data) - offset) // GRAM_BYTES)
        found = np.flatnonzero(self._table[_places(grams)])
        rows = np.searchsorted(ends, found * GRAM_BYTES + offset, side="right")
        kept = rows < len(ends)
        return rows[kept].astype(np.uint64) << np.uint64(32) | grams[found[kept]].astype(np.uint64)


def _grams_of(word: bytes) -> list[int]:
    return [int.from_bytes(word[at : at + GRAM_BYTES], "little") for at in range(len(word) - GRAM_BYTES + 1)]


def _places(grams: Grams) -> Grams:
    places: Grams = (grams * _FACTOR) >> np.uint32(32 - TABLE_BITS)
    return places
