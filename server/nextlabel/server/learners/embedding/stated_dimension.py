"""How long a model's embeddings are, as its files say: loading it takes seconds, and nobody has to wait for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LEAVES_LENGTH = frozenset({"Transformer", "Normalize"})


def stated_dimension(folder: Path) -> int | None:
    """Return the length of the embeddings of a sentence-transformers model in a folder.

    None where the model has to be loaded to know: there is no such folder, or it has modules of another kind than
    Transformer, Pooling and Normalize.
    """
    try:
        modules = json.loads((folder / "modules.json").read_text("utf-8"))
        kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
        pooling = modules[kinds.index("Pooling")]
        stated = json.loads((folder / pooling["path"] / "config.json").read_text("utf-8"))
        length = stated.get("embedding_dimension") or stated["word_embedding_dimension"]
        # Several ways to pool at once are laid side by side.
        dimension = int(length) * len(_ways(stated))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    others = [kind for kind in kinds if kind not in _LEAVES_LENGTH]
    return dimension if others == ["Pooling"] and dimension > 0 else None


def _ways(stated: Mapping[str, Any]) -> list[str]:
    """Return how tokens are pooled, which newer files say in one field and older ones in a field each."""
    mode = stated.get("pooling_mode")
    if mode is None:
        return [name for name, value in stated.items() if name.startswith("pooling_mode_") and value is True]
    return [mode] if isinstance(mode, str) else list(mode)
