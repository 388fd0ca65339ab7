"""Backups: whole copies, and versions that a bucket holds; how each is made and put back."""
