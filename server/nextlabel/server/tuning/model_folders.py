"""Tuned models as folders: one a version, whole or not there, with what is to be known of it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextlabel.server.tuning.language_model import LanguageModel
from nextlabel.server.values.errors import InvalidArgument

MANIFEST = "nextlabel.json"
_VERSION = re.compile(r"v(\d{4})")


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
    """The versions of one project's model below ``root``."""

    root: Path

    def latest(self) -> TunedModel | None:
        """Return the newest version; None where there is none."""
        found = sorted(path for path in self.root.glob("v*") if _VERSION.fullmatch(path.name))
        return opened(found[-1]) if found else None

    @property
    def next_version(self) -> int:
        """Number of the version that comes next, from 1 on."""
        latest = self.latest()
        return int(latest.folder.name[1:]) + 1 if latest else 1

    def checkpoint(self, key: str) -> Path:
        """Where what is done so far of the tuning with this key is kept."""
        return self.root / f".unfinished-{key[:16]}"

    def publish(self, model: LanguageModel, version: int, manifest: Mapping[str, Any]) -> TunedModel:
        """Write a version: its folder appears once everything in it is there."""
        folder = self.root / f"v{version:04d}"
        fresh = self.root / f".new-{folder.name}"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        model.save(fresh)
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        fresh.replace(folder)
        return TunedModel(folder, manifest)


def opened(folder: Path) -> TunedModel:
    """Return what is in the folder of a version.

    Raises:
        InvalidArgument: it holds no tuned model.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidArgument.field(
            "model", f"{folder.name!r} is no folder that `nextlabel tune-local` wrote: it has no readable {MANIFEST}"
        ) from error
    return TunedModel(folder, manifest)
