"""Compliance frameworks: controls, their questions and the searches that answer them, read from TOML files."""

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
_PATH = re.compile(r"`\$((?:\.\w+|\[\d+\]|\[\.\.\.\])+)`")
_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_POSITION = re.compile(r"\[(\d+)\]")


class ExceptionSearch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A search for events that should be rare, which a report lists one by one.

    At most one of these narrows it: `own`, to events whose actor is their resource; `per` with `at_least`, to values
    of this field with so many events within an hour; `without`, to resources without an event of that other search.
    """

    says: str
    query: str
    own: bool = False
    per: Literal["user", "resource", "ip"] | None = None
    at_least: int = 0
    without: str = ""


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question, the search whose events answer it, and searches for exceptions."""

    asks: str
    query: str
    exceptions: tuple[ExceptionSearch, ...] = ()


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A control: a criterion or an article of the framework, and its questions."""

    id: str
    title: str = ""
    about: str = ""
    questions: tuple[Question, ...] = ()


class FrameworkFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a file: a framework (`id`), or controls for another one (`extends`).

    `organizations` limits it to these short names; empty means all.
    """

    id: str = ""
    title: str = ""
    about: str = ""
    extends: str = ""
    organizations: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()


class Framework(msgspec.Struct, frozen=True):
    """A framework with its controls; `sources` are its files: name, and SHA-256 of the content in hexadecimal."""

    id: str
    title: str
    about: str
    controls: tuple[Control, ...]
    sources: tuple[tuple[str, str], ...]


class InvalidFramework(TallystickError):
    """A framework file is invalid; the message names the file, the line and the reason."""

    code, title = "bad_mapping", "Bad mapping"


@dataclass(frozen=True, slots=True)
class Frameworks:
    """The frameworks by id, and a sentence for each file that could not be used."""

    frameworks: Mapping[str, Framework] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def load_frameworks(folder: Path | None, slug: str) -> Frameworks:
    """Loads the frameworks of an organization: those that come with Tallystick, and the files in the folder.

    A file that cannot be used is skipped and named in `problems`; the others are not affected.
    """
    frameworks: dict[str, Framework] = {}
    problems: list[str] = []
    for name, text in (*_bundled_files(), *_operator_files(folder, problems)):
        try:
            source = parse_file(name, text)
            if source.organizations and slug not in source.organizations:
                continue
            _add_file(frameworks, source, name, text)
        except InvalidFramework as problem:
            problems.append(problem.detail)
    return Frameworks(frameworks, tuple(problems))


def find_framework(loaded: Frameworks, framework_id: str) -> Framework:
    """Returns the framework of that id; NotFound (`no_framework`) lists the ones that exist."""
    framework = loaded.frameworks.get(framework_id)
    if framework is None:
        names = ", ".join(loaded.frameworks)
        raise NotFound(f"Unknown framework {framework_id[:40]!r}. Choose one of {names}.", code="no_framework")
    return framework


def parse_file(name: str, text: str) -> FrameworkFile:
    """Parses a file and every search in it. Raises InvalidFramework."""
    try:
        source = msgspec.convert(tomllib.loads(text), FrameworkFile)
    except tomllib.TOMLDecodeError as problem:
        line = _LINE.search(str(problem))
        _refuse(name, int(line[1]) if line else len(text.splitlines()), f"not TOML: {problem}")
    except msgspec.ValidationError as problem:
        place = _PATH.search(str(problem))
        _refuse(name, _line_of(text, place[1] if place else ""), str(problem))
    if bool(source.id) == bool(source.extends):
        _refuse(name, 1, 'write id = "…" for a framework of your own, or extends = "soc2" to add to one')
    for path, control in _with_paths("controls", source.controls):
        if not control.id.strip():
            _refuse(name, _line_of(text, path), 'a control needs an id, such as "CC6.1"')
        for question_path, question in _with_paths(f"{path}.questions", control.questions):
            _check_question(name, text, question_path, question.asks, question.query)
            for exception_path, search in _with_paths(f"{question_path}.exceptions", question.exceptions):
                _check_question(name, text, exception_path, search.says, search.query, search.without)
                kinds = search.own + bool(search.without) + (search.at_least > 0)
                if kinds > 1 or (search.at_least > 0) != (search.per is not None) or search.at_least < 0:
                    _refuse(
                        name, _line_of(text, exception_path), "use one of own, without, or per together with at_least"
                    )
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


def _add_file(frameworks: dict[str, Framework], source: FrameworkFile, name: str, text: str) -> None:
    origin = ((name, sha256(text.encode()).hexdigest()),)
    if source.extends:
        base = frameworks.get(source.extends)
        if base is None:
            _refuse(name, _line_of(text, ".extends"), f"unknown framework {source.extends[:40]!r}")
        framework = msgspec.structs.replace(
            base, controls=_merge_controls(base.controls, source.controls), sources=base.sources + origin
        )
    else:
        if source.id in frameworks:
            _refuse(name, _line_of(text, ".id"), f"a framework {source.id[:40]!r} exists already: extend it")
        framework = Framework(source.id, source.title or source.id, source.about, source.controls, origin)
    if sum(len(control.questions) for control in framework.controls) > MOST_QUESTIONS:
        _refuse(name, 1, f"a framework can have at most {MOST_QUESTIONS} questions")
    frameworks[framework.id] = framework


def _merge_controls(base: tuple[Control, ...], more: tuple[Control, ...]) -> tuple[Control, ...]:
    """Appends questions to the control of the same id, and other controls at the end."""
    by_id = {control.id: control for control in base}
    for control in more:
        existing = by_id.get(control.id)
        if existing is not None:
            control = msgspec.structs.replace(existing, questions=existing.questions + control.questions)
        by_id[control.id] = control
    return tuple(by_id.values())


def _bundled_files() -> Iterator[tuple[str, str]]:
    folder = files("tallystick.compliance").joinpath("frameworks")
    for name in ("soc2.toml", "gdpr.toml"):
        yield name, folder.joinpath(name).read_text(encoding="utf-8")


def _operator_files(folder: Path | None, problems: list[str]) -> Iterator[tuple[str, str]]:
    """Yields the files of the operator's folder by name, and notes those that cannot be read as problems."""
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
    return ((f"{path}[{place}]", search) for place, search in enumerate(items))


def _line_of(text: str, path: str) -> int:
    """Returns the line of a path such as `controls[0].questions[1].query`.

    TOML parsers keep no positions, so the headers of the tables are counted; for inline tables it is the line of the
    enclosing one.
    """
    names = [name for name in re.sub(r"\[(?:\d+|\.\.\.)\]", "", path).strip(".").split(".") if name]
    places = [int(number) for number in _POSITION.findall(path)]
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
