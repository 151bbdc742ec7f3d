"""Tests of key warnings."""
