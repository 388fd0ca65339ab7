"""Columns as the tables use them."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Integer, Text


def seq() -> Column[int]:
    """Return the column that gives the order of insertion."""
    # Only a column declared INTEGER is SQLite's own row id.
    return Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


def project(**options: Any) -> Column[str]:
    """Return the column of the project that owns a row, with which the row goes."""
    return Column("project", Text, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False, **options)


def text(name: str, **options: Any) -> Column[str]:
    """Return a column of text."""
    return Column(name, Text, nullable=False, **options)


def integer(name: str, **options: Any) -> Column[int]:
    """Return a column of 64-bit integers."""
    return Column(name, BigInteger, nullable=False, **options)


def boolean(name: str) -> Column[bool]:
    """Return a column of truth values."""
    return Column(name, Boolean, nullable=False)


def real(name: str, **options: Any) -> Column[float]:
    """Return a column of doubles."""
    return Column(name, Double, nullable=False, **options)


def cost(name: str, **options: Any) -> list[Column[int]]:
    """Return three columns, one a budget dimension."""
    wanted = {"nullable": False, **options}
    return [Column(f"{name}_{d}", BigInteger, **wanted) for d in ("labels", "tokens", "micro_usd")]
