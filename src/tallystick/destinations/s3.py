"""File storage in a bucket of Amazon S3 or a compatible server."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urlsplit

from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from tallystick.destinations.address_guard import Guard, TargetError
from tallystick.destinations.file_storage import BLOCK, Checksum, FileMissing, checksum, read_blocks, verify_copy
from tallystick.destinations.http_client import connection_pool

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
PART_BYTES = 8 << 20
MAX_PARTS = 10_000
TRIES = 3
_REFUSED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"})
_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchUpload"})


@dataclass(frozen=True, slots=True)
class S3Account:
    """An S3 server and the access key to use there; `endpoint` is its URL."""

    endpoint: str
    region: str
    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"S3Account({self.endpoint})"


class Bucket:
    """The keys below a prefix of one bucket. Large files are uploaded in parts; redirects are not followed."""

    def __init__(self, account: S3Account, guard: Guard, bucket: str, prefix: str = "") -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.where = f"s3://{bucket}/{self._prefix}"
        url = urlsplit(account.endpoint)
        self._client = Minio(
            url.netloc,
            access_key=account.access_key,
            secret_key=account.secret_key,
            region=account.region,
            secure=url.scheme == "https",
            http_client=_pool(guard),
        )

    def put(self, key: str, file: BinaryIO) -> Checksum:
        sent = checksum(read_blocks(file))
        file.seek(0)
        with self._translate_errors(key):
            self._client.put_object(
                self._bucket,
                self._prefix + key,
                file,
                sent.bytes,
                part_size=max(PART_BYTES, -(-sent.bytes // MAX_PARTS)),
                num_parallel_uploads=1,
            )
            return verify_copy(sent, checksum(self._content(key)), key)

    def get(self, key: str, file: BinaryIO) -> None:
        with self._translate_errors(key):
            file.writelines(self._content(key))

    def keys(self, prefix: str) -> Iterator[str]:
        with self._translate_errors(prefix):
            found = self._client.list_objects(self._bucket, prefix=self._prefix + prefix, recursive=True)
            names = sorted(one.object_name or "" for one in found if not one.is_dir)
        yield from (name[len(self._prefix) :] for name in names)

    def delete(self, key: str) -> None:
        self._delete_versions(key, current=True)

    def delete_earlier_versions(self, key: str) -> None:
        self._delete_versions(key, current=False)

    def _content(self, key: str) -> Iterator[bytes]:
        response = self._client.get_object(self._bucket, self._prefix + key)
        try:
            yield from response.stream(BLOCK)
        finally:
            response.close()
            response.release_conn()

    def delete_interrupted_uploads(self, prefix: str, *, before: float | None = None) -> None:
        with self._translate_errors(prefix), _ignore_unsupported():
            # A page may leave out further uploads of its last key.
            while self._abort_uploads(self._prefix + prefix, before):
                pass

    def _abort_uploads(self, name: str, before: float | None) -> bool:
        """Abort uploads to keys that begin with `name`; False if there was none."""
        has_aborted, after = False, None
        while True:
            # The library has no public method for interrupted uploads, whose parts take space all the same.
            found = self._client._list_multipart_uploads(self._bucket, prefix=name, key_marker=after)
            for one in found.uploads:
                if before is None or (one.initiated_time is not None and one.initiated_time.timestamp() < before):
                    self._client._abort_multipart_upload(self._bucket, one.object_name, one.upload_id or "")
                    has_aborted = True
            after = found.next_key_marker
            if not found.is_truncated or not after:
                return has_aborted

    def _delete_versions(self, key: str, *, current: bool) -> None:
        name = self._prefix + key
        versions = []
        with self._translate_errors(key), _ignore_unsupported():
            # A bucket with versioning otherwise keeps what is deleted or replaced.
            found = self._client.list_objects(self._bucket, prefix=name, include_version=True)
            versions = [one for one in found if one.object_name == name]
        with self._translate_errors(key):
            for one in versions:
                if current or str(one.is_latest).lower() != "true":
                    self._client.remove_object(self._bucket, name, version_id=one.version_id)
            if current and not versions:
                self._client.remove_object(self._bucket, name)

    @contextmanager
    def _translate_errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except S3Error as error:
            if error.code in _GONE:
                raise FileMissing(f"{key} does not exist.") from None
            if error.code in _REFUSED:
                raise TargetError(f"The S3 server rejected the access key ({error.code}).") from None
            if error.code == "NoSuchBucket":
                raise TargetError(f"The S3 server has no bucket {self._bucket}.") from None
            raise TargetError(f"The S3 server answered {error.code}.") from None
        except ServerError as error:
            raise TargetError(f"The S3 server answered {error.status_code}.") from None
        except InvalidResponseError:
            raise TargetError("The address did not answer as an S3 server.") from None
        except (MinioException, HTTPError, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise TargetError(f"The S3 server cannot be reached: {type(reason).__name__}.") from None
        except ValueError as error:  # an invalid name of a bucket or key
            raise TargetError(f"The bucket cannot be used: {error}.") from None


@contextmanager
def _ignore_unsupported() -> Iterator[None]:
    """Ignores that a server does not support a request, such as for versions: then it has kept none either."""
    try:
        yield
    except S3Error as error:
        if error.code not in ("NotImplemented", "MethodNotAllowed"):
            raise


def _pool(guard: Guard) -> PoolManager:
    retries = Retry(total=TRIES, redirect=False, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504))
    return connection_pool(
        guard.connect, CONNECT_SECONDS, timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS), retries=retries
    )
