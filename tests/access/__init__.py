"""Who may touch which organization's events."""
