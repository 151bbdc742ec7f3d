"""Documents, read back as people and programs read them."""
