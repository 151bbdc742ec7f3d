"""Every stored secret is declared, so that a rotation of the secret key encrypts it anew."""

import ast
from importlib import import_module

import pytest
from sqlalchemy import Column, LargeBinary

from tallystick.access.secret import SecretBox
from tallystick.backup.secret_rotation import SEALED_COLUMNS
from tallystick.database.tables import metadata
from tallystick.secret_keys import SecretKeys
from tests.house.tree import modules, name, parsed

ROTATED = {str(column) for column in SEALED_COLUMNS}


@pytest.fixture(scope="module")
def columns() -> list[Column]:
    """Every column of every table of the control database."""
    for path in modules():
        if path.name == "tables.py":
            import_module("tallystick." + ".".join(path.with_suffix("").parts[-2:]))
    return [column for table in metadata.tables.values() for column in table.columns]


def test_every_declared_column_is_encrypted_anew(columns):
    assert {str(column) for column in columns if "sealing" in column.info} == ROTATED


def test_nothing_is_encrypted_but_for_a_declared_column():
    """The one class that encrypts demands a declared column, so that no secret is beyond the rotation's reach."""
    with pytest.raises(KeyError):
        SecretBox(SecretKeys("k" * 32), Column("sealed", LargeBinary))
    ciphers = [
        name(path)
        for path in modules()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("cryptography.hazmat.primitives.ciphers")
    ]
    assert [path.removeprefix("src/tallystick/") for path in ciphers] == ["access/secret.py"]


def test_every_column_that_something_is_encrypted_for_is_encrypted_anew():
    used = {
        ast.unparse(node.args[1]).replace(".c.", ".")
        for path in modules()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "SecretBox"
    }
    assert used == ROTATED | {"column"}  # that of a loop over all of them


def test_no_column_is_named_as_a_secret_without_being_encrypted_anew(columns):
    words = ("seal", "secret", "private", "cipher", "encrypted")
    assert {str(column) for column in columns if any(word in column.name for word in words)} == ROTATED
