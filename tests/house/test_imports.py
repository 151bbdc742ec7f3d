"""What may be imported where, beyond the ranks that import-linter holds."""

import ast

from tests.house.tree import PACKAGE, modules, name, parsed, sources


def _constructions(node: ast.AST, wanted: str) -> list[int]:
    """Lines that call `wanted(...)` or `module.wanted(...)`."""
    return [
        call.lineno
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and (getattr(call.func, "id", None) == wanted or getattr(call.func, "attr", None) == wanted)
    ]


def test_no_import_hides_inside_a_function():
    hidden = [
        f"{name(path)}:{inner.lineno}"
        for path in sources(".py")
        for outer in ast.walk(parsed(path))
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(outer)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []


def test_only_access_constructs_a_scope():
    """Who can make a scope can read another organization: one package is small enough to be watched."""
    elsewhere = [
        f"{name(path)}:{line}"
        for path in modules()
        if PACKAGE / "access" not in path.parents
        for line in _constructions(parsed(path), "Scope")
    ]
    assert elsewhere == []


def test_every_scope_of_a_person_or_key_is_made_with_its_filter():
    """The parameter has a default for tests: in the product, a scope without it would read past a filter."""
    without = [
        f"{name(path)}:{call.lineno}"
        for path in modules()
        for call in ast.walk(parsed(path))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        and len(call.args) < {"person_scope": 4, "api_key_scope": 5}.get(call.func.id, 0)
    ]  # fmt: skip
    assert without == []


def test_the_product_prints_only_from_the_command_line():
    printing = [
        f"{name(path)}:{line}"
        for path in modules()
        if PACKAGE / "cli" not in path.parents
        for line in _constructions(parsed(path), "print")
    ]
    assert printing == []
