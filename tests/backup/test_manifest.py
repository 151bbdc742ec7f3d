"""The manifest of a backup, which whoever can write to the backup can change."""

import json
from pathlib import Path
from uuid import uuid4

import pytest

from tallystick.backup.manifest import FORMAT, FileEntry, read_manifest
from tallystick.errors import Conflict


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../secret.key", "events/../../secret.key", "events//x", "", ".", "a\\b"]
)
def test_a_path_that_leads_out_of_the_backup_is_refused_before_a_file_is_touched(tmp_path: Path, path: str) -> None:
    file = {"path": path, "rows": 1, "bytes": 1, "sha256": ""}
    manifest = {"format": FORMAT, "backup_id": str(uuid4()), "files": [file]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Conflict, match=r"cannot be read .*not a path within the backup"):
        read_manifest(tmp_path)


def test_a_path_within_the_backup_is_taken() -> None:
    assert FileEntry("control/logs.ndjson.zst", 1, 1, "").path == "control/logs.ndjson.zst"
