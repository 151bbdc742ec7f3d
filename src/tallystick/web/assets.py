"""Serves the stylesheets and scripts under a URL that contains a hash of their content, so that browsers cache them."""

import hashlib
from pathlib import Path

from litestar.datastructures import CacheControlHeader
from litestar.static_files import create_static_files_router

FOLDER = Path(__file__).parent / "static"


def _version(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


ASSETS = f"/static/{_version(FOLDER)}"

static_files = create_static_files_router(
    path=ASSETS,
    directories=[FOLDER],
    cache_control=CacheControlHeader(max_age=31_536_000, public=True, immutable=True),
    name="static",
)
