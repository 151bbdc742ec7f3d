"""The log in the control database, on both engines."""
