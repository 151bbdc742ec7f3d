"""Reads a search query into tokens; the first unreadable one raises."""

import re
from ipaddress import ip_network
from typing import NamedTuple, NoReturn

from tallystick.search.foreign_syntax import (
    DASHES,
    DOUBLE_QUOTES,
    INVISIBLE,
    RANGE,
    SMALL_JOINTS,
    Refusal,
    begins_value,
    glued_joint,
    joint_at,
    quoted_end,
    refused_expression,
    refused_key,
    refused_query,
    refused_term,
    refused_value,
)
from tallystick.search.near_names import name_meant
from tallystick.search.qualifiers import EXAMPLES
from tallystick.search.term_heads import REGULAR_EXPRESSION, Head, comparison_of, has_gap, head_of
from tallystick.search.tokens import LONGEST, QUOTES, Token, mistake, quoted, without_escapes

_NAMED = re.compile(r"@?(?P<name>[^\W\d][\w.-]*)(?P<operator>:|!=|>=|<=|==?|>|<)(?P<value>.*)", re.DOTALL)
_POSITION = re.compile(r"\[(?:-?[0-9]+|\*|)\]")
# The lookbehind keeps a long run of backslashes from being read once for each of them.
_WORD = re.compile(r'(?:(?<!\\)\\(?:\\\\)*"|[^\s()"])*')
_ADDRESS = re.compile(r"<([^<>\s]+@[^<>\s]+)>[,;]?")
_NOT_BLANK = re.compile(r"\S*")
_AFTER_QUOTE = re.compile(r"[^\s()]*")


def tokens_of(query: str) -> list[Token]:
    """The tokens of the query, "end" last. Raises QueryMistake."""
    _check_letters(query)
    if refusal := refused_query(query):
        mistake(query, refusal.start, refusal.end, refusal.detail, refusal.instead)
    reader = _Reader(query)
    found = [reader.token()]
    while found[-1].kind != "end":
        found.append(reader.token())
    return [_joint_or_word(found, number) for number in range(len(found))]


def _check_letters(query: str) -> None:
    if len(query) > LONGEST:
        detail = f"A search can have at most {LONGEST:,} characters; this has {len(query):,}."
        mistake(query, LONGEST, len(query), detail, "")
    for at, letter in enumerate(query):
        if letter == "\0" or "\ud800" <= letter <= "\udfff":
            name = "the character NUL" if letter == "\0" else "half a character (a lone surrogate)"
            mistake(query, at, at + 1, f"Remove {name} here: no event contains it.", "")


class _Reader:
    """Reads the query from left to right."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._at = 0
        self._waiting: list[Token] = []
        # The heads of the parentheses that are open, each with the depth at which it ends: `user:(a OR b)`.
        self._groups: list[tuple[Head, int]] = []
        self._depth = 0
        self._in_element = False

    def token(self) -> Token:
        """The next token."""
        if self._waiting:
            return self._waiting.pop(0)
        skipped = INVISIBLE + ("," if self._groups else "")
        while (blank := self._letter(self._at)).isspace() or (blank and blank in skipped):
            self._at += 1
        start, letter = self._at, self._letter(self._at)
        if not letter:
            return Token("end", start, start)
        if letter in "()":
            return self._parenthesis(letter)
        if letter == "]" and self._in_element:
            self._in_element, self._at = False, start + 1
            return Token("]", start, start + 1)
        if refusal := refused_term(self._query, start):
            self._refuse(refusal)
        if joint := joint_at(self._query, start, of_values=bool(self._groups)):
            self._at = start + len(joint.text)
            return Token(joint.kind, start, self._at, joint.text)
        following = self._letter(start + 1)
        if letter in "-!" or (letter in DASHES and following.strip()):
            return self._minus(start)
        if letter == "+" and (following.isalpha() or following in ('"', "(", "_")):  # what must be there: all must
            self._at += 1
            return self.token()
        return self._word(start)

    def _parenthesis(self, letter: str) -> Token:
        self._at += 1
        self._depth += 1 if letter == "(" else -1
        if self._groups and self._groups[-1][1] > self._depth:
            self._groups.pop()
        return Token("(" if letter == "(" else ")", self._at - 1, self._at)

    def _minus(self, start: int) -> Token:
        following, sign = self._letter(start + 1), self._letter(start)
        if following == "-" or sign == "—":
            word = self._until_blank(start)
            self._wrong(
                start,
                start + len(word),
                "A single `-` excludes what follows it. To search for text with several dashes, put it in quotes.",
                quoted(word),
            )
        if not following or following.isspace() or following in ")]":
            detail = (
                f"`{sign}` excludes what follows it directly, but nothing follows. To search for the sign, put it in "
                "quotes."
            )
            self._wrong(start, start + 1, detail, quoted(sign))
        self._at = start + 1
        return Token("-", start, self._at)

    def _word(self, start: int) -> Token:
        """A word or phrase, or a term with a qualifier or path."""
        query = self._query
        if not self._groups and (head := head_of(query, start, relative=self._in_element)):
            if has_gap(head.written):
                keys = ".".join(key for key in head.written.split(".") if key)
                detail = "In a path, each dot needs a key on both sides."
                self._wrong(start, start + len(head.written), detail, keys if "." in keys else keys + ".error")
            return self._headed(head)
        if self._in_element:
            detail = "In brackets, each condition is a key, a colon and a value, as in `[type:user id:7]`."
            self._wrong(start, start, detail, "key:")
        value = self._value(start)
        if not self._groups and not value.is_quoted:
            self._check_word(start)
        if not value.text:
            rest = (query[:start] + query[self._at :]).strip()
            self._wrong(start, self._at, "The quotes are empty.", "" if rest else quoted('"'))
        if self._groups:
            return self._one_of_several(self._groups[-1][0], start, value)
        return Token("word", start, self._at, value.text, is_quoted=value.is_quoted)

    def _one_of_several(self, head: Head, start: int, value: "_Value") -> Token:
        """One of the values in parentheses, each of which may be compared in another way."""
        operator = head.operator
        if not value.is_quoted and (found := comparison_of(value.text)):
            operator, value = found[0], _Value(found[1], False)
        return Token(head.kind, start, self._at, value.text, head.name, start, value.is_quoted, operator)

    def _check_word(self, start: int) -> None:
        """Refuse a word that has a quote inside, or looks like a misspelt or foreign qualifier."""
        word = self._query[start : self._at]
        if self._letter(self._at) == '"':
            whole = quoted(_at(_AFTER_QUOTE, self._query, start))
            detail = f"A quote is inside a word. Put a space before it, or write {whole} to search for the text."
            self._wrong(self._at, self._at, detail, " ")
        named = _NAMED.match(word)
        if named and not _is_address(word, named["value"]):
            self._check_name(start, word, named["name"], named["operator"], named["value"])

    def _headed(self, head: Head) -> Token:
        """The term of a head: one value, several in parentheses, or conditions on an element in brackets."""
        self._at = head.value_at
        if head.opens_element:
            self._open_element(head)
            return Token("[", head.start, self._at, name=head.name)
        if head.is_negated:
            self._waiting.append(self._valued(head))
            return Token("-", head.start, head.start)
        return self._valued(head)

    def _open_element(self, head: Head) -> None:
        position = _POSITION.match(self._query, head.value_at - 1)
        if position:
            detail = "A path leaves out positions in lists: it looks at all elements."
            self._wrong(head.value_at - 1, position.end(), detail, "")
        self._in_element = True

    def _valued(self, head: Head) -> Token:
        query, after = self._query, _blank_end(self._query, head.value_at)
        if head.spelling in REGULAR_EXPRESSION:
            end = _expression_end(query, after)
            self._refuse(refused_expression(query, head, after, end))
        if self._letter(after) == "(":
            self._at = after + 1
            self._depth += 1
            self._groups.append((head, self._depth))
            return Token("(", head.start, self._at)
        if found := RANGE.match(query, after):
            self._at = found.end()
            ends = found["open"] + found["close"]
            text = f"{found['first']}..{found['last']}"
            name_end = head.start + len(head.written)
            return Token(head.kind, head.start, self._at, text, head.name, after, False, "..", ends, name_end)
        if after > head.value_at and not begins_value(query, after):
            after = head.value_at
        if refusal := refused_value(query, head, after):
            self._refuse(refusal)
        value = self._value(after)
        if not value.text or (not value.is_quoted and self._letter(self._at) == '"'):
            self._no_value(head, after, value)
        return Token(
            head.kind, head.start, self._at, value.text, head.name, after, value.is_quoted, head.operator,
            name_end=head.start + len(head.written),
        )  # fmt: skip

    def _value(self, start: int) -> "_Value":
        """The phrase or word at `start`."""
        letter = self._letter(start)
        if letter == '"':
            return _Value(self._phrase(start), True)
        if (end := quoted_end(self._query, start)) is not None:
            self._at = end + 1
            return _Value(self._query[start + 1 : end].strip("\u00a0"), True)
        if letter and letter in DOUBLE_QUOTES:
            self._unclosed(start)
        word = self._until_blank(start)
        self._at = start + len(word)
        address = _ADDRESS.fullmatch(word)
        return _Value(address[1] if address else without_escapes(word.rstrip(INVISIBLE)), False)

    def _phrase(self, start: int) -> str:
        """The text between the quote at `start` and the next that is not escaped (`without_escapes`)."""
        query = self._query
        for quote in QUOTES.finditer(query, start + 1):
            if len(quote[1]) % 2 == 0:
                break
        else:
            ends = [at for letter in DOUBLE_QUOTES if (at := query.find(letter, start + 2)) > 0]
            if not ends:
                self._unclosed(start)
            self._at = min(ends) + 1
            return query[start + 1 : min(ends)]
        self._at = quote.end()
        if refusal := refused_key(query, start, self._at):
            self._refuse(refusal)
        if _at(_AFTER_QUOTE, query, self._at).strip(INVISIBLE + "]" * self._in_element + "," * bool(self._groups)):
            detail = 'Put a space after the quote that ends a phrase. Write a quote inside a phrase as `\\"`.'
            self._wrong(self._at, self._at, detail, " ")
        return without_escapes(query[start + 1 : quote.end()])[:-1]

    def _unclosed(self, start: int) -> NoReturn:
        inside = self._query[start + 1 :].rstrip().rstrip("\\").rstrip(DOUBLE_QUOTES)
        detail = 'This quote is not closed. Add `"` where the phrase ends.'
        self._wrong(start, len(self._query), detail, f'"{inside}"' if inside else quoted('"'))

    def _no_value(self, head: Head, value_at: int, value: "_Value") -> NoReturn:
        if value.text:
            self._wrong(self._at, self._at, "Put the quotes around the whole value.", " ")
        example = EXAMPLES.get(head.name, "text")
        detail = f"`{head.written}:` needs a value directly after the colon, as in `{head.written}:{example}`."
        self._wrong(value_at, self._at, detail, example)

    def _check_name(self, start: int, word: str, name: str, operator: str, value: str) -> None:
        """Refuse a name that is near one of ours, or that other products have instead of one; any other is text."""
        meant = name_meant(name)
        if meant is None:
            return
        text_too = f"To search for the text itself, put it in quotes: `{quoted(word)}`."
        detail, instead = f"Unknown qualifier `{name}:`. ", quoted(word)
        if meant.endswith("."):
            detail += f"For a value in the details, give its path, as in `{meant}team:{value or 'text'}`. "
        else:
            detail += f"Did you mean `{meant}:`? "
            instead = f"{meant}{operator}{value or EXAMPLES.get(meant, 'text')}"
        self._wrong(start, start + len(word), detail + text_too, instead)

    def _until_blank(self, start: int) -> str:
        word = _at(_WORD, self._query, start)
        if self._in_element:
            word = word.partition("]")[0]
        if self._groups:
            word = word.partition(",")[0]
        return word[: glued_joint(word)]

    def _letter(self, at: int) -> str:
        return self._query[at : at + 1]

    def _refuse(self, refusal: Refusal) -> NoReturn:
        self._wrong(refusal.start, refusal.end, refusal.detail, refusal.instead)

    def _wrong(self, start: int, end: int, detail: str, instead: str) -> NoReturn:
        mistake(self._query, start, end, detail, instead)


class _Value(NamedTuple):
    text: str
    is_quoted: bool


def _joint_or_word(tokens: list[Token], number: int) -> Token:
    """The token; `and`, `or` and `not` in small letters join where a qualifier, path or parenthesis is beside them."""
    token = tokens[number]
    joint = SMALL_JOINTS.get(token.text.lower()) if token.kind == "word" and not token.is_quoted else None
    before, after = tokens[number - 1].kind if number else "end", tokens[min(number + 1, len(tokens) - 1)].kind
    if joint is None or after not in _BEGINNINGS:
        return token
    is_joint = after in _TERMS or (joint != "NOT" and before in _TERMS)
    if joint != "NOT" and before not in _ENDINGS:
        is_joint = False
    return Token(joint, token.start, token.end, token.text) if is_joint else token


_TERMS = frozenset({"qualifier", "path", "(", ")", "[", "]"})
_BEGINNINGS = frozenset({"word", "qualifier", "path", "(", "[", "-", "NOT"})
_ENDINGS = frozenset({"word", "qualifier", "path", ")", "]"})


def _expression_end(query: str, at: int) -> int:
    """Where a regular expression ends, which may be in quotes."""
    letter = query[at : at + 1]
    closing = query.find(letter, at + 1) if letter in ("'", '"', "`", "/") else -1
    return closing + 1 if closing > 0 else at + len(_at(_NOT_BLANK, query, at))


def _blank_end(query: str, at: int) -> int:
    while query[at : at + 1].isspace():
        at += 1
    return at


def _is_address(word: str, value: str) -> bool:
    """Whether it is a URL or an IPv6 address, which contain colons too; no qualifier looks like them."""
    if value.startswith("//"):
        return True
    try:
        return bool(ip_network(word, strict=False))
    except ValueError:
        return False


def _at(pattern: re.Pattern[str], text: str, at: int) -> str:
    found = pattern.match(text, at)
    return found[0] if found else ""
