"""Which question of a framework the trail answers with which search: data, read from files and checked."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Literal, NoReturn, TypeVar

import msgspec

from tallystick.errors import NotFound, TallystickError
from tallystick.search.grammar import parse

MOST_FILES = 100
MOST_BYTES = 1 << 20
MOST_QUESTIONS = 300  # of a framework, extensions included
MOST_TEXT = 2000
Item = TypeVar("Item")
_PLACE = re.compile(r"`\$((?:\.\w+|\[\d+\]|\[\.\.\.\])+)`")
_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_STEP = re.compile(r"\[(\d+)\]")


class ExceptionSearch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What should be rare, and is looked at one by one.

    `own`: only where the actor is the resource. `at_least` with `per`: only where one value of the field has so many
    within an hour. `without`: only resources of which this other search finds nothing.
    """

    says: str
    query: str
    own: bool = False
    per: Literal["user", "resource", "ip"] | None = None
    at_least: int = 0
    without: str = ""


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question, the search whose events answer it, and what among them stands out."""

    asks: str
    query: str
    exceptions: tuple[ExceptionSearch, ...] = ()


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A criterion or an article, and its questions."""

    id: str
    title: str = ""
    about: str = ""
    questions: tuple[Question, ...] = ()


class FrameworkFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file: a framework of its own, or with `extends` more for one. `organizations`: only for these short names."""

    id: str = ""
    title: str = ""
    about: str = ""
    extends: str = ""
    organizations: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()


class Framework(msgspec.Struct, frozen=True):
    """What a report asks. `sources` are the files it came from: name, and SHA-256 of what was in it."""

    id: str
    title: str
    about: str
    controls: tuple[Control, ...]
    sources: tuple[tuple[str, str], ...]


class InvalidFramework(TallystickError):
    """A file that cannot be used: which, in which line, and why."""

    code, title = "bad_mapping", "Bad mapping"


@dataclass(frozen=True, slots=True)
class Frameworks:
    """Every framework by its id, and what is wrong with files that are left out."""

    frameworks: Mapping[str, Framework] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def load_frameworks(folder: Path | None, slug: str) -> Frameworks:
    """What holds for an organization: the frameworks that come with Tallystick, and the files of the folder.

    A file that cannot be used is left out and named in `problems`: nothing else suffers from it.
    """
    found: dict[str, Framework] = {}
    problems: list[str] = []
    for name, text in (*_bundled_files(), *_operator_files(folder, problems)):
        try:
            source = parse_file(name, text)
            if source.organizations and slug not in source.organizations:
                continue
            _add_file(found, source, name, text)
        except InvalidFramework as problem:
            problems.append(problem.detail)
    return Frameworks(found, tuple(problems))


def find_framework(mapping: Frameworks, wanted: str) -> Framework:
    """The framework of that id; NotFound (`no_framework`) names those that there are."""
    known = mapping.frameworks.get(wanted)
    if known is None:
        names = ", ".join(mapping.frameworks)
        raise NotFound(f"Unknown framework {wanted[:40]!r}. Choose one of {names}.", code="no_framework")
    return known


def parse_file(name: str, text: str) -> FrameworkFile:
    """A file's content, with every search in it parsed. BadMapping names the file, the line and what to write."""
    try:
        source = msgspec.convert(tomllib.loads(text), FrameworkFile)
    except tomllib.TOMLDecodeError as problem:
        line = _LINE.search(str(problem))
        _refuse(name, int(line[1]) if line else len(text.splitlines()), f"not TOML: {problem}")
    except msgspec.ValidationError as problem:
        place = _PLACE.search(str(problem))
        _refuse(name, _line_of(text, place[1] if place else ""), str(problem))
    if bool(source.id) == bool(source.extends):
        _refuse(name, 1, 'write id = "…" for a framework of your own, or extends = "soc2" to add to one')
    for path, control in _with_paths("controls", source.controls):
        if not control.id.strip():
            _refuse(name, _line_of(text, path), 'a control needs an id, such as "CC6.1"')
        for under, question in _with_paths(f"{path}.questions", control.questions):
            _check_question(name, text, under, question.asks, question.query)
            for below, one in _with_paths(f"{under}.exceptions", question.exceptions):
                _check_question(name, text, below, one.says, one.query, one.without)
                shapes = one.own + bool(one.without) + (one.at_least > 0)
                if shapes > 1 or (one.at_least > 0) != (one.per is not None) or one.at_least < 0:
                    _refuse(name, _line_of(text, below), "use one of own, without, or per together with at_least")
    return source


def _check_question(name: str, text: str, path: str, words: str, query: str, without: str = "") -> None:
    if not words.strip() or not query.strip():
        _refuse(name, _line_of(text, path), "a question needs asks and query")
    for key, search in (("query", query), ("without", without)):
        if not search:
            continue
        try:
            parse(search, now=0)
        except TallystickError as problem:
            _refuse(name, _line_of(text, f"{path}.{key}"), f"{key}: {problem.detail}")
    if max(len(words), len(query), len(without)) > MOST_TEXT:
        _refuse(name, _line_of(text, path), f"a text can have at most {MOST_TEXT:,} characters")


def _add_file(found: dict[str, Framework], source: FrameworkFile, name: str, text: str) -> None:
    came = ((name, sha256(text.encode()).hexdigest()),)
    if source.extends:
        base = found.get(source.extends)
        if base is None:
            _refuse(name, _line_of(text, ".extends"), f"unknown framework {source.extends[:40]!r}")
        made = msgspec.structs.replace(
            base, controls=_merge_controls(base.controls, source.controls), sources=base.sources + came
        )
    else:
        if source.id in found:
            _refuse(name, _line_of(text, ".id"), f"a framework {source.id[:40]!r} exists already: extend it")
        made = Framework(source.id, source.title or source.id, source.about, source.controls, came)
    if sum(len(control.questions) for control in made.controls) > MOST_QUESTIONS:
        _refuse(name, 1, f"a framework can have at most {MOST_QUESTIONS} questions")
    found[made.id] = made


def _merge_controls(base: tuple[Control, ...], more: tuple[Control, ...]) -> tuple[Control, ...]:
    """Questions join the control of the same id; other controls come behind."""
    by_id = {control.id: control for control in base}
    for control in more:
        known = by_id.get(control.id)
        by_id[control.id] = (
            control if known is None else msgspec.structs.replace(known, questions=known.questions + control.questions)
        )
    return tuple(by_id.values())


def _bundled_files() -> Iterator[tuple[str, str]]:
    folder = files("tallystick.compliance").joinpath("frameworks")
    for name in ("soc2.toml", "gdpr.toml"):
        yield name, folder.joinpath(name).read_text(encoding="utf-8")


def _operator_files(folder: Path | None, problems: list[str]) -> Iterator[tuple[str, str]]:
    """The files of the operator's folder by name; what cannot be read is a problem like others."""
    if folder is None:
        return
    if not folder.is_dir():
        problems.append(f"{folder}: folder not found (TALLYSTICK_COMPLIANCE_DIR).")
        return
    for path in sorted(folder.glob("*.toml"))[:MOST_FILES]:
        try:
            raw = path.read_bytes()
            if len(raw) > MOST_BYTES:
                problems.append(f"{path.name}: larger than {MOST_BYTES >> 20} MiB.")
                continue
            yield path.name, raw.decode()
        except (OSError, UnicodeDecodeError) as problem:
            problems.append(f"{path.name}: cannot be read ({problem}).")


def _with_paths(path: str, items: tuple[Item, ...]) -> Iterator[tuple[str, Item]]:
    return ((f"{path}[{place}]", one) for place, one in enumerate(items))


def _line_of(text: str, path: str) -> int:
    """The line of what stands at `controls[0].questions[1].query`, as near as tables in brackets allow."""
    names = [name for name in re.sub(r"\[(?:\d+|\.\.\.)\]", "", path).strip(".").split(".") if name]
    places = [int(number) for number in _STEP.findall(path)]
    lines = text.splitlines()
    at = 0
    for depth, place in enumerate(places):
        head = f"[[{'.'.join(names[: depth + 1])}]]"
        heads = [number for number in range(at, len(lines)) if lines[number].replace(" ", "").startswith(head)]
        if place >= len(heads):
            break
        at = heads[place]
    if len(names) > len(places):
        for number in range(at, len(lines)):
            if number > at and lines[number].lstrip().startswith("["):
                break
            if re.match(rf"\s*{re.escape(names[-1])}\s*=", lines[number]):
                return number + 1
    return at + 1


def _refuse(name: str, line: int, why: str) -> NoReturn:
    raise InvalidFramework(f"{name}, line {line}: {why.rstrip('.')}.")
