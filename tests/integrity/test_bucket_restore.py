"""`store restore-range` from continuous copies in a bucket."""

from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import select

from tallystick.copies.batch_copies import CopiedBatch, CopiedLog, encode_copies
from tallystick.errors import NotFound, SettingsError, Unavailable
from tallystick.integrity.event_copies import DOWNLOAD
from tallystick.journal.tables import journal_tail
from tests.fixtures.s3_server import ACCESS_KEY, SECRET_KEY, S3Server
from tests.fixtures.spine import Spine
from tests.integrity.lost_events import COUNT, organization
from tests.integrity.range_restore_driver import Place

pytestmark = pytest.mark.one_engine


def test_continuous_copies_in_a_bucket_are_a_copy_and_leave_no_files_behind(
    sqlite_spine: Spine, tmp_path: Path, s3_server: S3Server
) -> None:
    bucket = s3_server.bucket("copies")
    place = Place(sqlite_spine, tmp_path, environ_of(s3_server))
    scope, other = organization(place.spine), organization(place.spine, "globex")
    full = Path(place.backup())
    generation = "20260101T000000.000000Z"
    for file in (one for one in full.rglob("*") if one.is_file()):
        with file.open("rb") as content:
            bucket.put(f"{generation}/full/{file.relative_to(full)}", content)
    place.spine.record(scope, {"action": "user.logout"})
    place.spine.ship()
    with place.spine.database.read() as connection:
        kept = connection.execute(select(journal_tail).where(journal_tail.c.org_id == scope.org_id)).all()
    copied = CopiedLog(
        scope.org_id, "", None, 0, 0, COUNT + 1, b"",
        [CopiedBatch(row.first_index, row.events, row.body) for row in kept if row.first_index == COUNT], [],
    )  # fmt: skip
    bucket.put(f"{generation}/events-20260101T000002.000000Z.zst", BytesIO(encode_copies([copied])))
    place.spine.lose(scope, [*range(3, 9), COUNT])
    place.spine.lose(other, [4])
    (done, other_done) = place.restore(bucket.where)
    assert (done.restored, other_done.restored) == (7, 1)
    assert place.is_whole(scope, COUNT + 1)
    assert place.is_whole(other)
    assert not (tmp_path / DOWNLOAD).exists()


def test_a_bucket_that_cannot_be_read_or_has_no_copies_is_said(
    sqlite_spine: Spine, tmp_path: Path, s3_server: S3Server
) -> None:
    organization(sqlite_spine)
    place = Place(sqlite_spine, tmp_path, environ_of(s3_server))
    with pytest.raises(NotFound, match="has no continuous copies"):
        place.restore(s3_server.bucket("empty").where)
    with pytest.raises(Unavailable, match="cannot be read"):
        place.restore("s3://there-is-no-such-bucket/copies")
    with pytest.raises(SettingsError, match="TALLYSTICK_S3_ACCESS_KEY"):
        Place(sqlite_spine, tmp_path).restore("s3://bucket/copies")


def environ_of(server: S3Server) -> dict[str, str]:
    """The settings of an installation that reads from this S3 server."""
    account = server.account
    return {
        "TALLYSTICK_S3_ENDPOINT": account.endpoint, "TALLYSTICK_S3_REGION": account.region,
        "TALLYSTICK_S3_ACCESS_KEY": ACCESS_KEY, "TALLYSTICK_S3_SECRET_KEY": SECRET_KEY,
        "TALLYSTICK_ALLOWED_TARGETS": "127.0.0.1/32",
    }  # fmt: skip
