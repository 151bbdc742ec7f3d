"""Data access: who read the trail."""
