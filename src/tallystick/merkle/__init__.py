"""merkle."""
