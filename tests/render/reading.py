"""Reading a document back: poppler for PDF."""

import shutil
import subprocess

import pytest


def text_of(document: bytes) -> str:
    """What a reader selects and copies, page by page with a form feed between; skipped without poppler."""
    if shutil.which("pdftotext") is None:
        pytest.skip("poppler is missing: apt-get install poppler-utils")
    command = ["pdftotext", "-layout", "-", "-"]
    return subprocess.run(command, input=document, capture_output=True, check=True, timeout=60).stdout.decode()


def information_of(document: bytes) -> dict[str, str]:
    """What a reader shows about the document, such as its title; skipped without poppler."""
    if shutil.which("pdfinfo") is None:
        pytest.skip("poppler is missing: apt-get install poppler-utils")
    said = subprocess.run(["pdfinfo", "-"], input=document, capture_output=True, check=True, timeout=60).stdout.decode()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in said.splitlines())}


def ink_of(document: bytes, page: int = 1) -> int:
    """How many dots of a page are darker than the paper, as poppler draws it."""
    if shutil.which("pdftoppm") is None:
        pytest.skip("poppler is missing: apt-get install poppler-utils")
    command = ["pdftoppm", "-gray", "-r", "100", "-f", str(page), "-l", str(page), "-"]
    drawn = subprocess.run(command, input=document, capture_output=True, check=True, timeout=60).stdout
    return sum(1 for dot in drawn.split(b"255\n", 1)[1] if dot < 192)
