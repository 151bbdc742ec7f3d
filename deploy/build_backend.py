"""The build backend of the package: flit's, with the documentation and the files of `deploy/` in the wheel.

They are installed below `share/doc/tallystick`, in the layout of the source tree, so that links between pages work.
An editable installation leaves them where they are.
"""

import shutil
from pathlib import Path
from typing import Any

from flit_core import buildapi

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "build" / "wheel-data"  # as pyproject.toml says
PAGES = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "requirements.txt")
DIRECTORIES = ("docs", "deploy")
SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc", "build_backend.py")


def _collect(*, documentation: bool) -> None:
    shutil.rmtree(DATA, ignore_errors=True)
    target = DATA / "share" / "doc" / "tallystick"
    target.mkdir(parents=True)
    if documentation:
        for page in PAGES:
            shutil.copyfile(ROOT / page, target / page)
        for directory in DIRECTORIES:
            shutil.copytree(ROOT / directory, target / directory, ignore=SKIPPED)


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Write the wheel into `wheel_directory`; its file name."""
    _collect(documentation=True)
    return buildapi.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Write a wheel that refers to the source tree; its file name."""
    _collect(documentation=False)
    return buildapi.build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    """Write the archive of the sources; its file name."""
    _collect(documentation=False)
    return buildapi.build_sdist(sdist_directory, config_settings)


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Any = None) -> str:
    """Write the metadata of the wheel; its directory's name."""
    _collect(documentation=False)
    return buildapi.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel
