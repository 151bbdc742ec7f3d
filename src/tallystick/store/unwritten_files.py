"""Files that the embedded engine could not write on a full disk: it reports success for them, and starts with none."""

from pathlib import Path

import structlog

MUTATION_BEGINNING = b"format version"
ASIDE = ".unwritten."  # before the name: the engine passes over what begins with a dot
logger = structlog.get_logger(__name__)


def set_unwritten_aside(folder: Path) -> None:
    """Rename files that would keep the engine from opening the store in the folder, while no engine has it open.

    A deletion or change of rows whose file is empty has not begun: whoever asked for it repeats it. A table whose
    definition is empty is made anew, and its events are found missing.
    """
    unwritten = [one for one in folder.glob("store/*/*/mutation_*.txt") if not _begins_as_mutation(one)]
    unwritten += [one for one in folder.glob("store/*/*/*.sql") if not one.stat().st_size]
    for file in unwritten:
        file.rename(file.with_name(ASIDE + file.name))
        logger.error("unwritten_file_set_aside", file=str(file.relative_to(folder)))


def _begins_as_mutation(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(MUTATION_BEGINNING)) == MUTATION_BEGINNING
