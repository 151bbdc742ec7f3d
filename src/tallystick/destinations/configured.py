"""Where the operator wants files to be, as the settings say it."""

from pathlib import Path
from urllib.parse import urlsplit

from tallystick.destinations.directory import Directory
from tallystick.destinations.guard import Guard
from tallystick.destinations.objects import Objects
from tallystick.destinations.s3 import Account, Bucket
from tallystick.settings import Settings


def archive_of(settings: Settings) -> Objects | None:
    """The place of the archive; None when nothing is archived. Nothing is asked of it yet."""
    return None if settings.archive_dir is None else place_of(settings.archive_dir, settings)


def exports_of(settings: Settings) -> Objects | None:
    """Where scheduled exports may be put; None for nowhere."""
    return None if settings.export_dir is None else place_of(settings.export_dir, settings)


def place_of(where: Path | str, settings: Settings) -> Objects:
    """A directory by its path, a bucket by its URL (`s3://bucket/prefix`)."""
    if isinstance(where, Path):
        return Directory(where)
    url = urlsplit(where)
    account = Account(settings.s3_endpoint, settings.s3_region, settings.s3_access_key, settings.s3_secret_key)
    return Bucket(account, Guard(settings.allowed_targets), url.netloc, url.path)
