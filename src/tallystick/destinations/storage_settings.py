"""Where the operator wants files to be, as the settings say it."""

from pathlib import Path
from urllib.parse import urlsplit

from tallystick.destinations.directory import Directory
from tallystick.destinations.file_storage import FileStorage
from tallystick.destinations.guard import Guard
from tallystick.destinations.s3 import Account, Bucket
from tallystick.settings import Settings


def archive_storage(settings: Settings) -> FileStorage | None:
    """The place of the archive; None when nothing is archived. Nothing is asked of it yet."""
    return None if settings.archive_dir is None else storage_at(settings.archive_dir, settings)


def export_storage(settings: Settings) -> FileStorage | None:
    """Where scheduled exports may be put; None for nowhere."""
    return None if settings.export_dir is None else storage_at(settings.export_dir, settings)


def storage_at(where: Path | str, settings: Settings) -> FileStorage:
    """A directory by its path, a bucket by its URL (`s3://bucket/prefix`)."""
    if isinstance(where, Path):
        return Directory(where)
    url = urlsplit(where)
    account = Account(settings.s3_endpoint, settings.s3_region, settings.s3_access_key, settings.s3_secret_key)
    return Bucket(account, Guard(settings.allowed_targets), url.netloc, url.path)
