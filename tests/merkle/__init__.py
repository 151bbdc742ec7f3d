"""Commitments, tree and tiles, without storage."""
