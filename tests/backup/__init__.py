"""Copies of everything, their way back, and what an older one means."""
