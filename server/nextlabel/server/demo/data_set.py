"""The bundled data: a sample of clinc10, 1,500 items for the pool and 500 for the holdout, with their labels."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from importlib.resources import files

SOURCE = "clinc10 (Larson et al. 2019, CC BY 3.0): utterances to a voice assistant, 10 domains"


@dataclass(frozen=True, slots=True)
class DemoData:
    """Items of the pool and the holdout, each with ``id``, ``text`` and ``label``."""

    pool: list[dict[str, str]]
    holdout: list[dict[str, str]]

    @property
    def classes(self) -> list[str]:
        """The label space."""
        return sorted({item["label"] for item in self.holdout})


def load() -> DemoData:
    """Read the bundled files."""
    return DemoData(_read("clinc10-pool.jsonl.gz"), _read("clinc10-holdout.jsonl.gz"))


def _read(name: str) -> list[dict[str, str]]:
    packed = files("nextlabel.server.demo").joinpath("data", name).read_bytes()
    return [json.loads(line) for line in gzip.decompress(packed).splitlines()]
