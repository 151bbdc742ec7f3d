"""The event: taking it in, showing it, importing it."""
