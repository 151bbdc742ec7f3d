"""What an export can be: a format of events, or something that is made of them elsewhere."""

from tallystick.render.writers import FORMATS, Format

# Made by whoever the exporter was given for it, not asked for as a format.
OTHERS: dict[str, Format] = {
    "report": Format("Report", "json", "application/json", False),
    "evidence": Format("Evidence", "zip", "application/zip", False),
}
KINDS: dict[str, Format] = FORMATS | OTHERS
TOLD_AS = {"report": "audit_log.report_generated"}
EXPORTED = "audit_log.exported"
