"""Server-side loops of rounds."""
