"""The stand-alone verifier as one file, packed from the package that this server runs with (as `make verifier`)."""

import io
import zipfile
from functools import cache
from pathlib import Path

from tallystick import verify

NAME = "tallystick-verify.pyz"
_SHEBANG = b"#!/usr/bin/env python3\n"
_MAIN = "from tallystick.verify.__main__ import run\n\nrun()\n"


@cache
def verifier_file() -> bytes:
    """It needs Python 3.11 and `cryptography`, and holds nothing of this server; the same bytes every time."""
    folder = Path(verify.__file__).parent
    files = {"__main__.py": _MAIN, "tallystick/__init__.py": ""}
    files |= {f"tallystick/verify/{path.name}": path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    target = io.BytesIO(_SHEBANG)
    target.seek(0, io.SEEK_END)
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(files):
            packed.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), files[name], zipfile.ZIP_DEFLATED)
    return target.getvalue()
