"""The JSON values of a file, one after the other in bounded memory, however they are laid out.

Values stand one behind another, on lines or not, in arrays, or in a list within an object (`{"Records": […]}`). What is
whole in a damaged file is read; the rest is named by its place.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

CHUNK_CHARACTERS = 256 << 10
MAX_EVENT_BYTES = 8 << 20  # of a value in a file; the server takes less
MAX_SKIPPED = 64 << 20  # characters in a row without a value: more is no log, but a file that unpacks without end
MAX_DAMAGE = 1000  # places of one file that are named
MAX_RESCANNED = 512 << 20  # characters that are read again after damage, in one file
MAX_NESTED_LISTS = 8
_NOT_BLANK = re.compile(r"[^ \t\r\n\ufeff\x1e]")  # a record separator begins each value of RFC 7464
_NEAR_END = 16  # an error so close to the end of what is in memory may be a value that is cut there
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# Numbers are not computed here: only where a value ends is of interest.
_decode = json.JSONDecoder(parse_int=len, parse_float=len).raw_decode


class DamagedFile(Exception):
    """The bytes of a file end before the file does; the text says why."""


class JsonText(NamedTuple):
    """An object of a file as it stands there, or what is wrong at its place.

    `number` counts the values from 1; `line` and `byte` say where it begins in the unpacked file, from 1 and 0.
    `foreign`: the file does not begin like JSON. `problem` is empty unless the value cannot be read.
    """

    number: int
    line: int
    byte: int
    in_list: bool
    text: bytes
    problem: str = ""
    foreign: bool = False


class _Damage(Exception):
    """What is wrong with the value at the current place."""


class _Between(_Damage):
    """What is wrong before the value at the current place."""


def json_texts(chunks: Iterable[bytes], lists: frozenset[str] = frozenset()) -> Iterator[JsonText]:
    """The objects of a file whose bytes are given, UTF-8 or UTF-16.

    Of an object that has a list under one of the names in `lists`, each element is yielded instead. `chunks` may end
    with DamagedFile.
    """
    return _ValueReader(chunks, lists).values()


class _ValueReader:
    """Reads a file; of its text only what is not read yet is in memory, at most one value and a chunk."""

    def __init__(self, chunks: Iterable[bytes], lists: frozenset[str]) -> None:
        self._chunks = iter(chunks)
        self._lists = lists
        self._decoder: codecs.IncrementalDecoder | None = None
        self._codec = "utf-8"
        self._text, self._at = "", 0
        self._byte, self._line, self._number = 0, 1, 0
        self._in_list = False
        self._end_problem = ""
        self._damaged = False  # from then on, lists that the damage left open may end anywhere
        self._next_value = re.compile(r'[,\[}\n]\s*(\{\s*")|\n([{\[])')
        self._first_key = ""

    def values(self) -> Iterator[JsonText]:
        """Every value, and every place that cannot be read."""
        damage = rescanned = 0
        while damage < MAX_DAMAGE and rescanned < MAX_RESCANNED:
            number = self._number
            try:
                while char := self._next_character():
                    if char == "," or (self._damaged and char in "]}"):
                        self._take(1)
                    else:
                        self._in_list = False
                        yield from self._value(0)
                break
            except _Damage as problem:
                damage += 1
                rescanned += len(self._text) - self._at
                foreign = not number and not self._number and self._text[self._at : self._at + 1] not in ("{", "[", "")
                named = self._piece(problem=str(problem), foreign=foreign)
                goes_on = self._find_next_value(passing=not isinstance(problem, _Between))
                rest = f"reading goes on at byte {self._byte}" if goes_on else "what came before it was read"
                yield named._replace(problem=f"{problem} (byte {named.byte}); {rest}")
                if not goes_on:
                    break
        else:
            yield self._piece(problem="the file has too many damaged places; the rest was not read")
        if self._end_problem:
            yield self._piece(problem=f"{self._end_problem}; what came before it was read")

    def _value(self, depth: int) -> Iterator[JsonText]:
        char = self._next_character()
        if char == "[" and depth < MAX_NESTED_LISTS:
            self._take(1)
            yield from self._elements(depth + 1)
        elif char == "{":
            yield from self._object(depth)
        elif not depth or char in ("[", ""):
            raise _Damage("not a JSON object")
        else:
            _, end = self._scan(0)
            yield self._piece(problem="not a JSON object")
            self._take(end)

    def _elements(self, depth: int) -> Iterator[JsonText]:
        """The elements of the list whose bracket was read, and the bracket at its end."""
        if self._next_character() == "]":
            self._take(1)
            return
        while True:
            self._in_list = True
            yield from self._value(depth)
            char = self._next_character()
            if char not in (",", "]"):
                raise _Between("values are not separated by commas" if char else "the file ends within a list")
            self._take(1)
            if char == "]":
                return

    def _object(self, depth: int) -> Iterator[JsonText]:
        try:
            value, end = self._scan(0, CHUNK_CHARACTERS)
            start = self._find_list() if any(isinstance(value.get(name), list) for name in self._lists) else 0
        except (
            EOFError,
            _Damage,
        ) as problem:  # too large to be one value, or damaged: its list may be whole up to there
            value, (start, end) = {}, self._find_list_or_end()
            if not start and isinstance(problem, _Damage):
                raise
        if start and depth >= MAX_NESTED_LISTS:
            raise _Damage("nested too deeply")
        if start:
            self._take(start)
            yield from self._elements(depth + 1)
            yield from self._rest_of_object(depth)
            return
        if value and not self._first_key:
            self._first_key = re.escape(json.dumps(next(iter(value)), ensure_ascii=False))
            self._next_value = re.compile(rf"[,\[}}\n]\s*(\{{\s*{self._first_key}\s*:)|\n([{{\[])")
        piece = self._piece()
        yield piece._replace(text=self._take(end))

    def _find_list(self) -> int:
        return self._find_list_or_end()[0]

    def _find_list_or_end(self) -> tuple[int, int]:
        """Where the first of `lists` begins in the object that follows, or 0; and where the object ends, or 0."""
        at = self._skip(1)
        if self._character(at) == "}":
            return 0, at + 1
        while True:
            name, at = self._member_name(at)
            if name in self._lists and self._character(at) == "[":
                return at + 1, 0
            at = self._skip(self._scan(at)[1])
            if self._character(at) == "}":
                return 0, at + 1
            if self._character(at) != ",":
                raise _Damage("broken JSON: expecting ',' delimiter")
            at = self._skip(at + 1)

    def _rest_of_object(self, depth: int) -> Iterator[JsonText]:
        """What follows a list in an object: other members, of which those in `lists` are read too."""
        while (char := self._next_character()) == ",":
            self._take(1)
            name, at = self._member_name(self._skip(0))
            is_list = name in self._lists and self._character(at) == "["
            self._take(at + 1 if is_list else self._scan(at)[1])
            if is_list:
                yield from self._elements(depth + 1)
        if char != "}":
            raise _Between("not a JSON object" if char else "the file ends within an object")
        self._take(1)

    def _member_name(self, at: int) -> tuple[object, int]:
        """The name of the member there, and where its value begins."""
        name, at = self._scan(at)
        at = self._skip(at)
        if self._character(at) != ":":
            raise _Damage("broken JSON")
        return name, self._skip(at + 1)

    def _scan(self, offset: int, most: int = MAX_EVENT_BYTES) -> tuple[Any, int]:
        """The value at an offset, and the offset of its end.

        EOFError if a value has more than `most` characters, if that is less than the largest possible.
        """
        while True:
            try:
                value, end = _decode(self._text, self._at + offset)
            except RecursionError:
                raise _Damage("nested too deeply") from None
            except json.JSONDecodeError as error:
                is_cut = error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - _NEAR_END
                broken = _Damage(f"broken JSON: {error.msg[0].lower()}{error.msg[1:]}")
                if not is_cut:
                    raise broken from None
                if len(self._text) - self._at >= most:
                    if most < MAX_EVENT_BYTES:
                        raise EOFError from None
                    raise _Damage(f"it has more than {MAX_EVENT_BYTES >> 20} MiB") from None
                if not self._fill():
                    at_end = error.msg.startswith("Unterminated string") or not self._text[error.pos :].strip()
                    raise (_Damage("the file ends within it") if at_end else broken) from None
            else:
                return value, end - self._at

    def _next_character(self) -> str:
        """The next character that is not blank, which is not consumed; empty at the end."""
        skipped = 0
        while not (match := _NOT_BLANK.search(self._text, self._at)):
            skipped += len(self._text) - self._at
            self._take(len(self._text) - self._at)
            if skipped > MAX_SKIPPED:
                self._stop()
            if not self._fill():
                return ""
        self._take(match.start() - self._at)
        return match[0]

    def _skip(self, offset: int) -> int:
        """The offset of the next character that is not blank."""
        while not (match := _NOT_BLANK.search(self._text, self._at + offset)):
            if len(self._text) - self._at > MAX_EVENT_BYTES:
                raise _Damage(f"it has more than {MAX_EVENT_BYTES >> 20} MiB")
            if not self._fill():
                raise _Damage("the file ends within it")
        return match.start() - self._at

    def _character(self, offset: int) -> str:
        return self._text[self._at + offset]

    def _find_next_value(self, *, passing: bool) -> bool:
        """After damage, moves to what looks like the beginning of the next value; False if there is none.

        `passing`: not to the value that begins here.
        """
        self._damaged = True
        skipped = 0
        if self._text[self._at : self._at + 1] in ("{", "["):
            if not passing:
                return True
            self._take(1)
        while not (match := self._next_value.search(self._text, self._at)):
            passed = max(0, len(self._text) - self._at - 1024)
            self._take(passed)
            skipped += passed
            if skipped > MAX_SKIPPED:
                self._stop()
            if not self._fill():
                self._take(len(self._text) - self._at)
                return False
        self._take(match.start(match.lastindex or 0) - self._at)
        return True

    def _stop(self) -> None:
        self._chunks = iter(())
        self._end_problem = f"there is nothing to read within {MAX_SKIPPED >> 20} MiB"

    def _piece(self, problem: str = "", *, foreign: bool = False) -> JsonText:
        """What is yielded for the value at the current place."""
        self._number += 1
        return JsonText(self._number, self._line, self._byte, self._in_list, b"", problem, foreign)

    def _take(self, length: int) -> bytes:
        """Consumes characters, and returns their bytes in UTF-8."""
        text = self._text[self._at : self._at + length]
        taken = text.encode("utf-8", "surrogateescape")
        self._at += len(text)
        self._byte += len(taken) if self._codec == "utf-8" else len(text.encode(self._codec, "surrogatepass"))
        self._line += text.count("\n")
        return taken

    def _fill(self) -> bool:
        """Reads on, at least as much as is in memory; False at the end."""
        rest = self._text[self._at :]
        read, pieces = 0, [rest]
        while read < max(CHUNK_CHARACTERS, len(rest)):
            try:
                chunk = next(self._chunks, None)
            except DamagedFile as problem:
                self._end_problem, chunk = str(problem), None
            piece = self._decoded(chunk)
            pieces.append(piece)
            read += len(piece)
            if chunk is None:
                self._chunks = iter(())
                break
        self._text, self._at = "".join(pieces), 0
        return read > 0

    def _decoded(self, chunk: bytes | None) -> str:
        """The text of a chunk; None is the end."""
        if self._decoder is None:
            chunk = chunk or b""
            while 0 < len(chunk) < 3 and (more := next(self._chunks, b"")):
                chunk += more
            for mark, codec in _MARKS:
                if chunk.startswith(mark):
                    self._codec, self._byte, chunk = codec, len(mark), chunk[len(mark) :]
                    break
            # Bytes that are no text become what stands for them, so that the value that holds them is refused alone.
            errors = "surrogateescape" if self._codec == "utf-8" else "replace"
            self._decoder = codecs.getincrementaldecoder(self._codec)(errors)
        return self._decoder.decode(chunk or b"", final=chunk is None)
