"""Thin servicers: translate, call, translate back."""
