"""GeoIP: country and network of addresses, from MaxMind DB files of the operator's own."""

import shutil
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from tempfile import NamedTemporaryFile

import structlog
from maxminddb import InvalidDatabaseError, open_database
from maxminddb.reader import Reader

from tallystick import telemetry
from tallystick.errors import SettingsError
from tallystick.events.geoip import UNKNOWN, AddressFacts, FindAddress, facts_of
from tallystick.work.background import Background

SECONDS_BETWEEN_CHECKS = 60.0
MOST_REMEMBERED = 1 << 14  # addresses
logger = structlog.get_logger(__name__)


class GeoIPFile:
    """One opened file. It stays as it was opened, whatever happens to the file."""

    def __init__(self, path: Path) -> None:
        """Raises OSError if the file cannot be read, InvalidDatabaseError if it is not in the MaxMind DB format."""
        # A copy without a name: the file is mapped into memory, and one that is cut short while it is mapped ends the
        # process.
        with path.open("rb") as file, NamedTemporaryFile() as copy:
            self.stamp = stamp_of(path)
            shutil.copyfileobj(file, copy)
            copy.flush()
            self._reader: Reader = open_database(copy.name)
        metadata = self._reader.metadata()
        self.kind = metadata.database_type
        self.built_at = metadata.build_epoch  # seconds since 1970
        self._has_ipv6 = metadata.ip_version == 6
        self._path = path
        self._has_failed = False

    def find(self, address: IPv4Address | IPv6Address) -> AddressFacts:
        """The facts of an address."""
        if address.version == 6 and not self._has_ipv6:
            return UNKNOWN
        try:
            return facts_of(self._reader.get(address))
        except (InvalidDatabaseError, ValueError) as error:  # damaged where this address is
            if not self._has_failed:
                self._has_failed = True
                logger.warning("geoip_damaged", path=str(self._path), address=str(address), error=str(error)[:200])
            return UNKNOWN


class GeoIP(Background):
    """Finds country and network of addresses. A file that was replaced is opened again within a minute.

    `find` is thread-safe, reads memory only, and never raises.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__("geoip", idle_seconds=SECONDS_BETWEEN_CHECKS)
        self._paths = paths
        self._files: dict[Path, GeoIPFile] = {}
        self._find: FindAddress = _find_nothing

    @property
    def find_address(self) -> FindAddress | None:
        """`find`, if there are files."""
        return self.find if self._paths else None

    def open(self) -> None:
        """Open all files. Raises SettingsError for one that cannot be used."""
        for path in self._paths:
            try:
                self._files[path] = GeoIPFile(path)
            except (OSError, InvalidDatabaseError) as error:
                raise SettingsError(f"TALLYSTICK_GEOIP: {path} {problem_of(error)}") from None
        self._use()

    def step(self) -> bool:
        """Open what was replaced. A file that cannot be opened is left for the next time; the earlier one stays."""
        for path, file in list(self._files.items()):
            try:
                if stamp_of(path) == file.stamp:
                    continue
                self._files[path] = GeoIPFile(path)
            except (OSError, InvalidDatabaseError) as error:
                logger.warning("geoip_not_reopened", path=str(path), error=f"It {problem_of(error)}")
                continue
            self._use()
        return False

    def find(self, address: str) -> AddressFacts:
        """The facts of a valid address, each from the first file that has it.

        An IPv6 address that only wraps an IPv4 address counts as that one.
        """
        return self._find(address)

    def _use(self) -> None:
        """Find in the files as they are now, and say which they are."""
        files = list(self._files.values())
        if not files:
            return

        @lru_cache(maxsize=MOST_REMEMBERED)
        def find(address: str) -> AddressFacts:
            parsed = ip_address(address)
            if isinstance(parsed, IPv6Address):
                parsed = parsed.ipv4_mapped or parsed
            country = network = ""
            for file in files:
                found = file.find(parsed)
                country, network = country or found.country, network or found.network
            return AddressFacts(country, network)

        self._find = find
        telemetry.geoip_built_seconds.set(min(file.built_at for file in files))
        logger.info("geoip_opened", kinds=[file.kind for file in files])


def _find_nothing(_address: str) -> AddressFacts:
    return UNKNOWN


def stamp_of(path: Path) -> tuple[int, int, int]:
    """What changes when a file is replaced or written to."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def problem_of(error: Exception) -> str:
    """What is wrong with a file, and what to do."""
    if isinstance(error, InvalidDatabaseError):
        return "is not a complete MaxMind DB file. Download it again, and unpack it."
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"cannot be read ({reason}). Give the path of a file that this user can read."
