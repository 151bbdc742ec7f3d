"""Investigating, and the cases it becomes."""
