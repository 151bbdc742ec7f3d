"""An event as a row at the terminal."""

from typing import Any

from rich.text import Text

from tallystick.cli.terminal import visible

Event = dict[str, Any]
STYLES = {"failed": "bold red", "success": "green"}


def shown_cells(event: Event) -> list[Text]:
    """Timestamp, user, action, resource, address, status; no cell can break the line or the terminal."""
    actor, resource = event.get("actor") or {}, event.get("resource") or {}
    status = str(event.get("status", ""))
    cells = (
        event["timestamp"][:19].replace("T", " "),
        actor.get("email") or actor.get("name") or actor.get("id") or "",
        event["action"],
        resource.get("name") or resource.get("id") or "",
        (event.get("context") or {}).get("ip_address") or "",
    )
    return [*(Text(visible(str(cell))) for cell in cells), Text(visible(status), STYLES.get(status, ""))]
