"""Projects, their label space and their guidelines."""
