"""The StateStore over SQLite and PostgreSQL."""
