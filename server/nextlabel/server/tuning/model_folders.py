"""Tuned models as folders: one a version, whole or not there, with what is to be known of it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nextlabel.server.values.errors import InvalidArgument

MANIFEST = "nextlabel.json"


class Saved(Protocol):
    """A model that can be written to a folder."""

    def save(self, folder: Path) -> None:
        """Write all of it into a folder that is there."""
        ...


@dataclass(frozen=True, slots=True)
class TunedModel:
    """A version in its folder, and its manifest."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What the model is called, as provenance knows it."""
        return str(self.manifest["name"])


@dataclass(frozen=True, slots=True)
class ModelFolders:
    """The versions of one project's model below ``root``, each in a folder of a prefix and its number."""

    root: Path
    prefix: str = "v"

    def latest(self) -> TunedModel | None:
        """Return the newest version; None where there is none."""
        numbers = self._numbers()
        return opened(self._folder(numbers[-1])) if numbers else None

    @property
    def next_version(self) -> int:
        """Number of the version that comes next, from 1 on."""
        return max(self._numbers(), default=0) + 1

    def checkpoint(self, key: str) -> Path:
        """Where what is done so far of the tuning with this key is kept."""
        return self.root / f".unfinished-{key[:16]}"

    def publish(self, model: Saved, version: int, manifest: Mapping[str, Any]) -> TunedModel:
        """Write a version: its folder appears once everything in it is there."""
        folder = self._folder(version)
        fresh = self.root / f".new-{folder.name}"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        model.save(fresh)
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        fresh.replace(folder)
        return TunedModel(folder, manifest)

    def _folder(self, version: int) -> Path:
        return self.root / f"{self.prefix}{version:04d}"

    def _numbers(self) -> list[int]:
        there = self.root.iterdir() if self.root.is_dir() else ()
        found = (re.fullmatch(re.escape(self.prefix) + r"(\d{4})", path.name) for path in there)
        return sorted(int(one[1]) for one in found if one)


def opened(folder: Path) -> TunedModel:
    """Return what is in the folder of a version.

    Raises:
        InvalidArgument: it holds no tuned model.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidArgument.field(
            "model",
            f"{folder.name!r} is no folder that `nextlabel tune-local` or `tune-encoder` wrote: it has no readable "
            f"{MANIFEST}",
        ) from error
    return TunedModel(folder, manifest)
