"""The verifier, by published vectors, by laws, and against everything that somebody may try."""
