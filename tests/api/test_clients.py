"""A client that is generated from the document type-checks, and has a type for every JSON answer."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from openapi_python_client import generate
from openapi_python_client.config import Config, ConfigFile, MetaType
from openapi_python_client.parser.errors import ErrorLevel

from tallystick.api.routes import describe_api

PACKAGE = "audit_client"
# What the generator knows no way to send or read; nothing of these is JSON.
KNOWN_WARNINGS = {"application/x-ndjson", "application/yaml", "application/pdf"}


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Path:
    """The generated package."""
    directory: Path = tmp_path_factory.mktemp("client")
    document = directory / "openapi.json"
    document.write_bytes(msgspec.json.encode(describe_api()))
    settings = ConfigFile(post_hooks=[], package_name_override=PACKAGE)
    package = directory / PACKAGE
    problems = generate(config=Config.from_sources(settings, MetaType.NONE, document, "utf-8", True, package))
    unexpected = [
        f"{one.header}: {one.detail}"
        for one in problems
        if one.level is not ErrorLevel.WARNING or not any(media in str(one.detail) for media in KNOWN_WARNINGS)
    ]
    assert unexpected == []
    return package


def json_answers() -> dict[str, set[str]]:
    """The names of the schemas of the successful JSON answers, by topic and operation as the generator files them."""
    found: dict[str, set[str]] = {}
    for methods in describe_api()["paths"].values():
        for operation in methods.values():
            name = re.sub(r"(?<!^)(?=[A-Z])", "_", operation["operationId"]).lower()
            for answer in operation["responses"].values():
                reference = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
                if reference:
                    place = f"api/{operation['tags'][0].lower().replace(' ', '_')}/{name}.py"
                    found.setdefault(place, set()).add(reference.rpartition("/")[2])
    return found


def test_the_python_client_type_checks(client):
    check = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(client.parent / "cache"), PACKAGE],
        cwd=client.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_the_python_client_has_a_model_for_every_json_answer(client):
    untyped = []
    for place, schemas in json_answers().items():
        functions = ast.parse((client / place).read_text(encoding="utf-8")).body
        (parse,) = [one for one in functions if isinstance(one, ast.FunctionDef) and one.name == "_parse_response"]
        types = set(re.findall(r"\w+", ast.unparse(parse.returns) if parse.returns else ""))
        if not schemas <= types or "Any" in types:
            untyped.append(f"{place}: {types}")
    assert untyped == []
    assert len(json_answers()) > 70
