"""Measurements of Tallystick on this machine: figures and ratios of one run, never asserted."""
