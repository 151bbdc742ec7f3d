"""The control database: its migrations and connections."""
