"""`tallystick copies`: what the operator has done with continuous copies."""

from typing import Annotated

import typer

from tallystick.cli.control_database import control_database, installed_settings
from tallystick.cli.terminal import CommandFailed, say
from tallystick.clock import now_us
from tallystick.copies.copier import kept_us
from tallystick.copies.copies_until import forget_place, left_places

app = typer.Typer()
copies = typer.Typer(no_args_is_help=True, help="Note what became of continuous copies that are not made any more.")
app.add_typer(copies, name="copies")


@copies.command()
def forget(place: Annotated[str, typer.Argument(metavar="PLACE", help="As tallystick doctor names it.")]) -> None:
    """Note that the copies in a place that is not used any more were deleted there.

    Until then, erasures say that copies of the erased data are left. Nothing is deleted by this command.
    """
    settings = installed_settings()
    kept = 0 if settings.copies_dir is None else kept_us(settings.copies_days)
    with control_database() as database, database.write() as connection:
        if not forget_place(connection, place, now_us(), kept):
            known = ", ".join(left_places(connection)) or "none"
            raise CommandFailed(f"No copies are known to be left in {place}. Left places: {known}.")
    say(f"{place} is forgotten.")
