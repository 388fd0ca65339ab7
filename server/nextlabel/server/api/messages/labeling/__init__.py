"""Annotations, who made them, and leases."""
