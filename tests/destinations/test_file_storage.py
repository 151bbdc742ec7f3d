"""Files under keys: the same promises of a directory and of a bucket on a real S3 server."""

import dataclasses
import hashlib
import io
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tallystick.destinations.address_guard import Guard, TargetError, TargetNotAllowed
from tallystick.destinations.file_storage import FileMissing, FileStorage
from tallystick.destinations.local_directory import Directory
from tallystick.destinations.s3 import PART_BYTES, Bucket, S3Account
from tallystick.work.disk_space import LEAST_FREE_BYTES, DiskSpace
from tests.destinations.mail_server import certificate
from tests.fixtures.s3_server import ACCESS_KEY, HERE, SECRET_KEY, Line, S3Server, open_s3_server


@pytest.fixture(params=["directory", "bucket", "bucket with versions"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> FileStorage:
    if request.param == "directory":
        return Directory(tmp_path / "kept")
    server: S3Server = request.getfixturevalue("s3_server")
    return server.bucket(versions=request.param.endswith("versions"))


def content(objects: FileStorage, key: str) -> bytes:
    file = io.BytesIO()
    objects.get(key, file)
    return file.getvalue()


def test_what_is_put_is_there_and_is_replaced_listed_and_deleted(objects: FileStorage) -> None:
    assert list(objects.keys("")) == []
    put = objects.put("org_a/2026/1.zip", io.BytesIO(b"first"))
    assert (put.sha256, put.bytes) == (hashlib.sha256(b"first").hexdigest(), 5)
    objects.put("org_a/2026/1.zip", io.BytesIO(b"second, and longer"))
    objects.put("org_a/2026/0.zip", io.BytesIO(b""))
    objects.put("org_b/2026/1.zip", io.BytesIO(b"another's"))
    assert content(objects, "org_a/2026/1.zip") == b"second, and longer"
    assert list(objects.keys("org_a/")) == ["org_a/2026/0.zip", "org_a/2026/1.zip"]
    objects.delete_earlier_versions("org_a/2026/1.zip")
    assert content(objects, "org_a/2026/1.zip") == b"second, and longer"
    for _ in range(2):
        objects.delete("org_a/2026/1.zip")
    with pytest.raises(FileMissing):
        content(objects, "org_a/2026/1.zip")
    assert list(objects.keys("")) == ["org_a/2026/0.zip", "org_b/2026/1.zip"]


def test_no_earlier_version_of_a_replaced_or_deleted_file_is_left(s3_server: S3Server) -> None:
    bucket = s3_server.bucket(versions=True)
    for text in (b"one", b"two", b"three"):
        bucket.put("a.zip", io.BytesIO(text))
        bucket.put("a.zip.json", io.BytesIO(text))
    assert len(versions(s3_server, bucket, "kept/a.zip")) == 6
    bucket.delete_earlier_versions("a.zip")
    assert len(versions(s3_server, bucket, "kept/a.zip")) == 4
    assert content(bucket, "a.zip") == b"three"
    bucket.delete("a.zip")
    assert versions(s3_server, bucket, "kept/a.zip") == ["kept/a.zip.json"] * 3


def versions(server: S3Server, bucket: Bucket, prefix: str) -> list[str | None]:
    found = server.client.list_objects(bucket._bucket, prefix=prefix, include_version=True)
    return [one.object_name for one in found]


def test_a_large_file_goes_in_parts_and_arrives_as_it_was(s3_server: S3Server) -> None:
    bucket = s3_server.bucket()
    large = bytes(range(256)) * (PART_BYTES // 100)
    put = bucket.put("large", io.BytesIO(large))
    assert put.sha256 == hashlib.sha256(content(bucket, "large")).hexdigest()
    etag = s3_server.client.stat_object(bucket._bucket, "kept/large").etag
    assert etag is not None
    assert etag.endswith("-3")


def test_a_line_that_is_cut_in_the_middle_leaves_nothing_under_the_key(s3_server: S3Server, line: Line) -> None:
    bucket = s3_server.bucket(via=line.port)
    bucket.put("large", io.BytesIO(b"what was there before"))
    line.budget = PART_BYTES + (PART_BYTES // 2)
    with pytest.raises(TargetError) as failed:
        bucket.put("large", io.BytesIO(b"x" * (3 * PART_BYTES)))
    assert failed.value.detail.startswith("The S3 server cannot be reached")
    line.budget = None
    assert content(bucket, "large") == b"what was there before"
    assert len(uploads(s3_server, bucket)) == 1
    bucket.delete_interrupted_uploads("", before=0)
    assert len(uploads(s3_server, bucket)) == 1
    bucket.delete_interrupted_uploads("")
    assert uploads(s3_server, bucket) == []


def uploads(server: S3Server, bucket: Bucket) -> list[object]:
    return list(server.client._list_multipart_uploads(bucket._bucket).uploads)


def test_a_server_that_dies_in_the_middle_is_said(tmp_path: Path) -> None:
    with open_s3_server(tmp_path) as server:
        bucket = server.bucket()
        with pytest.raises(TargetError, match="cannot be reached"):
            bucket.put("large", Deadly(b"x" * (3 * PART_BYTES), server.kill))


class Deadly(io.BytesIO):
    """Kills when it is read the second time, behind its first part."""

    def __init__(self, raw: bytes, kill: Callable[[], None]) -> None:
        super().__init__(raw)
        self._kill, self._reads = kill, 0

    def seek(self, at: int, whence: int = 0) -> int:
        self._reads += at == 0 and whence == 0
        return super().seek(at, whence)

    def read(self, size: int | None = -1) -> bytes:
        if self._reads > 1 and self.tell() >= PART_BYTES:
            self._kill()
        return super().read(size)


def test_wrong_credentials_and_a_bucket_that_is_not_there_are_said_without_a_secret(s3_server: S3Server) -> None:
    there = s3_server.bucket()
    for access, secret, code in (
        (ACCESS_KEY, "wrong-secret", "SignatureDoesNotMatch"),
        ("AKNOBODY", SECRET_KEY, "InvalidAccessKeyId"),
    ):
        account = S3Account(s3_server.account.endpoint, "us-east-1", access, secret)
        with pytest.raises(TargetError) as refused:
            Bucket(account, HERE, there._bucket).put("a", io.BytesIO(b"a"))
        assert refused.value.detail == f"The S3 server rejected the access key ({code})."
        assert secret not in repr(account) + repr(refused.value)
    with pytest.raises(TargetError, match="has no bucket nobody-made-this"):
        list(Bucket(s3_server.account, HERE, "nobody-made-this").keys(""))


def test_a_bucket_on_a_private_address_is_refused_unless_the_operator_allows_it(s3_server: S3Server) -> None:
    with pytest.raises(TargetNotAllowed):
        Bucket(s3_server.account, Guard(), "some-bucket").put("a", io.BytesIO(b"a"))


def test_over_tls_the_certificate_is_verified(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, believed = certificate(tmp_path)
    line = Line(s3_server.port, context)
    account = dataclasses.replace(s3_server.account, endpoint=f"https://localhost:{line.port}")
    with pytest.raises(TargetError, match="SSLError"):
        Bucket(account, Guard(("localhost",)), "begin").put("a", io.BytesIO(b"over tls"))
    monkeypatch.setenv("SSL_CERT_FILE", str(believed))
    bucket = Bucket(account, Guard(("localhost",)), "begin", "tls")
    bucket.put("a", io.BytesIO(b"over tls"))
    assert content(bucket, "a") == b"over tls"
    by_address = dataclasses.replace(account, endpoint=f"https://127.0.0.1:{line.port}")
    with pytest.raises(TargetError, match="SSLError"):
        Bucket(by_address, HERE, "begin").put("a", io.BytesIO(b"over tls"))
    line.close()


def test_a_redirect_is_not_followed() -> None:
    """A server that is allowed must not lead to one that is not."""
    asked: list[str] = []

    class Leading(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(307)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")  # type: ignore[attr-defined]
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with HTTPServer(("127.0.0.1", 0), Leading) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        account = S3Account(f"http://127.0.0.1:{server.server_port}", "us-east-1", "AK", "not-a-secret")
        with pytest.raises(TargetError):
            content(Bucket(account, HERE, "some-bucket"), "a")
        server.shutdown()
    assert asked == ["/some-bucket/a"]


def test_a_bucket_of_an_impossible_name_is_said(s3_server: S3Server) -> None:
    with pytest.raises(TargetError, match="bucket cannot be used"):
        Bucket(s3_server.account, HERE, "b").put("a", io.BytesIO(b"a"))


def test_what_arrives_changed_is_not_taken_for_it(s3_server: S3Server) -> None:
    """Whatever stands between: what is read back is compared."""
    bucket = s3_server.bucket()
    with pytest.raises(TargetError, match="was not stored as sent"):
        bucket.put("a", Changing(b"as it was first"))


class Changing(io.BytesIO):
    """Reads differently the second time, as a bad disk does."""

    _reads = 0

    def seek(self, at: int, whence: int = 0) -> int:
        self._reads += 1
        if self._reads == 2:
            self.getbuffer()[0:1] = b"A"
        return super().seek(at, whence)


def test_a_key_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    for key in ("../secret", "/etc/passwd", "a/../../secret", ".hidden", "a//b", ""):
        with pytest.raises(ValueError, match="not a key"):
            Directory(tmp_path / "kept").get(key, io.BytesIO())


def test_a_directory_on_a_nearly_full_disk_takes_no_file_and_keeps_the_one_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [LEAST_FREE_BYTES]
    monkeypatch.setattr(DiskSpace, "free", lambda _disk: free[0])
    kept = Directory(tmp_path / "kept", DiskSpace(tmp_path / "kept"))
    kept.put("a/b.zip", io.BytesIO(b"before"))
    free[0] = LEAST_FREE_BYTES - 1
    with pytest.raises(TargetError, match="Less than 1,024 MiB are free"):
        kept.put("a/b.zip", io.BytesIO(b"after"))
    assert content(kept, "a/b.zip") == b"before"
    assert [path.name for path in (tmp_path / "kept" / "a").iterdir()] == ["b.zip"]


def test_a_directory_that_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where the directory should be")
    with pytest.raises(TargetError, match="cannot be used"):
        Directory(tmp_path / "file").put("a/b.zip", io.BytesIO(b"x"))
    kept = Directory(tmp_path / "kept")
    kept.put("a/b.zip", io.BytesIO(b"x"))
    with pytest.raises(RuntimeError):
        kept.put("a/b.zip", Broken(b"y"))
    assert [one.name for one in (tmp_path / "kept").rglob("*")] == ["a", "b.zip"]
    assert (tmp_path / "kept/a/b.zip").stat().st_mode & 0o077 == 0


class Broken(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise RuntimeError


def test_links_in_a_directory_that_lead_out_of_it_are_not_followed(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    for folder in (outside, root):
        folder.mkdir()
    (outside / "secret").write_bytes(b"of the machine")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    (root / "loop").symlink_to(root)
    (root / "inside").write_bytes(b"x")
    (root / "alias").symlink_to(root / "inside")
    (tmp_path / "alias").symlink_to(root)
    directory = Directory(tmp_path / "alias")
    assert list(directory.keys("")) == ["alias", "inside"]
    for key in ("folder/secret", "file"):
        with pytest.raises(TargetError, match="leads out of"):
            directory.get(key, io.BytesIO())
        with pytest.raises(TargetError, match="leads out of"):
            directory.put(key, io.BytesIO(b"y"))
    assert (outside / "secret").read_bytes() == b"of the machine"
