"""Kills, floods, hostile bytes and long use of a real server."""
