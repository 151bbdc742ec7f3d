"""Metrics that are measured on a timer."""
