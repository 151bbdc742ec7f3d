"""The records that explain what is gone from a trail: they stay for ever, and whole."""

# As Tallystick itself records them; a sender's event of the same name is one like others.
LASTING = (
    "audit_log.pruned", "audit_log.subject_erased", "audit_log.retention_changed", "audit_log.log_restarted",
    "organization.created",
)  # fmt: skip
