"""Protocols between the parts: what a use case needs, without saying who provides it."""
