"""The doctor, on real installations."""
