"""One word, one meaning: names are the field's terms, docstrings stand on their own."""

import ast
from collections import Counter

from tests.house.tree import PACKAGE, modules, name, parsed

# Names that were riddles to a newcomer; what each file holds is said by its name now. By package.
FORMER_MODULES = {
    "access": "acts cross_site naming owners sealing signed_links standing",
    "alerts": "counting detections judging learning past recall shape standing strictness telling trials watched",
    "api": "asked authorisation erase keep list_actions observed parts streamed",
    "backup": "expected orders owner restart",
    "cli": "ids shown",
    "compliance": "making reviewing",
    "destinations": "guarded",
    "erasure": "kept_exports kept_list looking moved_aside places taking telling texts",
    "events": "lasting",
    "exports": "kinds making offering",
    "integrity": "asking climb explained look trim",
    "ledger": "aging marks reduced renaming",
    "merkle": "cover",
    "outbox": "tables",
    "query": "event_ids networks wildcards",
    "retention": "archive_reduced exported indexes",
    "schedules": "delivering unsubscribing",
    "search": "moments whole",
    "store": "earliest glance",
    "verify": "examined taken",
    "web": "agent columns found listing marking narrowing parts posting timeline_view verifier_file",
    "work": "copying",
}
# A participle, a pronoun or a gesture says neither what a function does nor what it returns.
FORMER_FUNCTIONS = (
    "asked done everything found given gone held his its kept known left made mine one past recall said seen shown "
    "standing taken taking told wanted wanted_of what which who written"
)
RIDDLES = set(FORMER_FUNCTIONS.split())
FORMER_CLASSES = {"Asked", "Found", "Loaded", "Made", "Parts", "Posting", "Shown", "Standing", "Told", "Wanted"}
RELATIVE = ("The same", "One of them", "How it stands", "As above", "Likewise", "That of")
# Words of the glossary that are the name of a class: it stands where the thing is.
OWNERS = {
    "access": "Organization",
    "alerts": "Alert Rule",
    "cases": "Case",
    "compliance": "Finding Review",
    "destinations": "Delivery Destination",
    "erasure": "Erasure",
    "events": "Record",
    "exports": "Export",
    "ingest": "Shipment",
    "ledger": "Checkpoint Log",
    "merkle": "Tile",
    "query": "Principal Query Scope",
    "saved": "SavedView",
}
OWNER = {word: package for package, words in OWNERS.items() for word in words.split()}
NOT_THINGS = {"Entry", "Part", "Trail"}  # too general to be a class by themselves: LogEntry, OutboxEntry


def _definitions(*kinds):
    return [(path, node) for path in modules() for node in ast.walk(parsed(path)) if isinstance(node, kinds)]


def _place(path, node) -> str:
    return f"{name(path)}:{node.lineno} {node.name}"


def test_a_class_name_stands_once_in_the_product():
    counts = Counter(node.name for _, node in _definitions(ast.ClassDef))
    assert [_place(path, node) for path, node in _definitions(ast.ClassDef) if counts[node.name] > 1] == []


def test_no_module_has_its_former_name():
    former = {PACKAGE / package / f"{word}.py" for package, words in FORMER_MODULES.items() for word in words.split()}
    assert [name(path) for path in modules() if path in former] == []


def test_no_class_is_named_for_a_participle_or_for_the_wiring():
    named = [(path, node) for path, node in _definitions(ast.ClassDef) if node.name.strip("_") in FORMER_CLASSES]
    assert [_place(path, node) for path, node in named] == []


def test_no_function_is_named_for_a_participle_or_a_pronoun():
    functions = _definitions(ast.FunctionDef, ast.AsyncFunctionDef)
    assert [_place(path, node) for path, node in functions if node.name.strip("_") in RIDDLES] == []


def test_no_import_renames_a_dependency_to_given():
    renamed = [
        f"{name(path)}:{node.lineno} {alias.asname}"
        for path in modules()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if (alias.asname or "").startswith("Given")
    ]
    assert renamed == []


def test_a_logger_is_called_logger():
    """A log is the Merkle log of an organization."""
    misnamed = [
        f"{name(path)}:{node.lineno}"
        for path in modules()
        for node in parsed(path).body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func).endswith("get_logger")
        and [ast.unparse(target) for target in node.targets] != ["logger"]
    ]
    assert misnamed == []


def test_a_word_of_the_glossary_names_its_own_thing():
    elsewhere = [
        _place(path, node)
        for path, node in _definitions(ast.ClassDef)
        for package in [path.relative_to(PACKAGE).parts[0]]
        if node.name in NOT_THINGS or OWNER.get(node.name, package) != package
    ]
    assert elsewhere == []


def test_every_docstring_stands_on_its_own():
    """Read on hover, without the lines around it."""
    documented = _definitions(ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    relative = [_place(path, node) for path, node in documented if (ast.get_docstring(node) or "").startswith(RELATIVE)]
    assert relative == []
