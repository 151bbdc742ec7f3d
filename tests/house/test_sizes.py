"""Files and functions stay small enough to be read at once."""

import ast

from tests.house.tree import name, parsed, sources

FILE_LINES = 400
FUNCTION_LINES = 60


def test_no_file_is_longer_than_400_lines():
    lengths = {name(path): len(path.read_text().splitlines()) for path in sources(".py", ".js", ".css", ".html", ".sh")}
    assert {path: length for path, length in lengths.items() if length > FILE_LINES} == {}


def test_no_function_is_longer_than_60_lines():
    lengths = {
        f"{name(path)}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in sources(".py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {function: length for function, length in lengths.items() if length > FUNCTION_LINES} == {}
