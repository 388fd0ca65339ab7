"""Finished cells in a folder, so that a simulation goes on where it was cut off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nextlabel.server.simulation.atomic import write_bytes_to, writing
from nextlabel.server.simulation.cell import Cell, Point
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.settings import Protocol
from nextlabel.server.values.errors import FailedPrecondition

CellKey = tuple[str, int]
"""A strategy's name and a seed."""

SETTINGS = "settings.json"
CELLS = "cells.jsonl"
FULL_DATA = "full_data.json"


class Record:
    """The cells of one data set and protocol, a JSON line each; strategies and seeds may be added later.

    Args:
        folder: made if it is not there.
        identity: what all cells of the folder have in common; see `identity_of`.
        resume: False forgets the cells that are there.

    Raises:
        FailedPrecondition: the folder holds cells of another data set, protocol or version.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], *, resume: bool = True) -> None:
        self._settings = folder / SETTINGS
        self._cells = folder / CELLS
        self._full_data = folder / FULL_DATA
        if resume:
            self._check(identity)
        else:
            self._cells.unlink(missing_ok=True)
            self._full_data.unlink(missing_ok=True)
        with write_bytes_to(self._settings) as file:
            file.write(json.dumps(identity, indent=2).encode())
        self.finished: dict[CellKey, Cell] = {(cell.strategy, cell.seed): cell for cell in _read_cells(self._cells)}

    def add(self, cell: Cell) -> None:
        """Keep a finished cell."""
        line = json.dumps(asdict(cell)) + "\n"
        with writing(self._cells), self._cells.open("a", encoding="utf-8") as file:
            file.write(line)
        self.finished[cell.strategy, cell.seed] = cell

    @property
    def full_data(self) -> Point | None:
        """The learner trained on the whole pool, if that is kept here."""
        if not self._full_data.exists():
            return None
        return Point(**json.loads(self._full_data.read_text(encoding="utf-8")))

    def keep_full_data(self, point: Point) -> None:
        """Keep the full-data scores, which do not depend on strategy and seed."""
        with write_bytes_to(self._full_data) as file:
            file.write(json.dumps(asdict(point)).encode())

    def _check(self, identity: Mapping[str, Any]) -> None:
        if not self._settings.exists():
            return
        there = json.loads(self._settings.read_text(encoding="utf-8"))
        wanted = json.loads(json.dumps(identity))
        other = [key for key in sorted({*wanted, *there}) if wanted.get(key) != there.get(key)]
        if other:
            listed = "; ".join(f"{key}: {there.get(key)} there, {wanted.get(key)} now" for key in other)
            raise FailedPrecondition(
                f"out: {self._settings.parent} holds another simulation ({listed}); "
                "choose another folder, or begin anew in this one with --no-resume",
                reason="SIMULATION_DIFFERS",
            )


def _read_cells(path: Path) -> list[Cell]:
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):  # a crash cut the last line off; what follows must begin a new one
        with write_bytes_to(path) as file:
            file.write(whole)
    return [_cell(json.loads(line)) for line in whole.splitlines()]


def identity_of(dataset: Dataset, protocol: Protocol) -> dict[str, Any]:
    """Return what decides whether cells of two runs may stand in one table."""
    return {"version": version("nextlabel"), "data": dataset.digest, **asdict(protocol)}


def _cell(fields: dict[str, Any]) -> Cell:
    points = tuple(Point(**point) for point in fields.pop("points"))
    return Cell(points=points, **fields)
