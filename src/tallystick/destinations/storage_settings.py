"""The file storage that the operator's settings name."""

from pathlib import Path
from urllib.parse import urlsplit

from tallystick.destinations.address_guard import Guard
from tallystick.destinations.file_storage import FileStorage
from tallystick.destinations.local_directory import Directory
from tallystick.destinations.s3 import Bucket, S3Account
from tallystick.errors import SettingsError
from tallystick.setting_values import read_archive
from tallystick.settings import Settings
from tallystick.work.disk_space import DiskSpace


def archive_storage(settings: Settings) -> FileStorage | None:
    """The storage of the archive; None when archiving is off. It is not contacted yet."""
    return None if settings.archive_dir is None else storage_at(settings.archive_dir, settings)


def export_storage(settings: Settings) -> FileStorage | None:
    """The storage that scheduled exports may be put into; None when none is set."""
    return None if settings.export_dir is None else storage_at(settings.export_dir, settings)


def copies_storage(settings: Settings) -> FileStorage | None:
    """The storage of continuous copies; None when none are made."""
    return None if settings.copies_dir is None else storage_at(settings.copies_dir, settings)


def source_storage(source: str, settings: Settings) -> FileStorage:
    """The directory or bucket that a command names to read from; it is not contacted yet.

    SettingsError if there is no text, or if the URL or the account in the settings cannot be used.
    """
    try:
        where = read_archive(source)
    except ValueError as error:
        raise SettingsError(f"{source}: {error}.") from None
    if isinstance(where, str) and not (settings.s3_access_key and settings.s3_secret_key):
        raise SettingsError("A bucket needs TALLYSTICK_S3_ACCESS_KEY and TALLYSTICK_S3_SECRET_KEY.")
    if where is None:
        raise SettingsError("Name a directory, or a bucket as s3://bucket/prefix.")
    return storage_at(where, settings)


def storage_at(where: Path | str, settings: Settings) -> FileStorage:
    """The directory of a path, or the bucket of a URL (`s3://bucket/prefix`).

    A directory takes no files while less of its disk is free than the settings say.
    """
    if isinstance(where, Path):
        return Directory(where, DiskSpace(where, settings.least_free_mb << 20))
    url = urlsplit(where)
    account = S3Account(settings.s3_endpoint, settings.s3_region, settings.s3_access_key, settings.s3_secret_key)
    return Bucket(account, Guard(settings.allowed_targets), url.netloc, url.path)
