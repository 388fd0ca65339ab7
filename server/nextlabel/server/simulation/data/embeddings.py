"""Embeddings of texts: from a file that goes with them, or computed once and kept by content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.embedding.cache import TextEmbedder
from nextlabel.server.simulation.atomic import write_bytes_to
from nextlabel.server.values.errors import InvalidArgument

Float32 = NDArray[np.float32]

PART_TEXTS = 2_048
"""Texts between two reports of progress; enough that sorting them by length pays."""


def default_cache() -> Path:
    """Where embeddings are kept unless said otherwise, by the XDG base directory specification."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "nextlabel" / "embeddings"


def read_embeddings(path: Path, rows: int, field: str) -> Float32:
    """Read the embeddings of a file's rows from a ``.npy`` matrix.

    Raises:
        InvalidArgument: it is no numeric matrix with a finite row for each of ``rows`` texts.
    """
    try:
        matrix = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidArgument.field(field, f"{path} is no readable .npy file: {error}") from error
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or not np.issubdtype(matrix.dtype, np.floating):
        raise InvalidArgument.field(field, f"{path} holds no matrix of floats of shape (rows, dimension)")
    if len(matrix) != rows:
        raise InvalidArgument.field(field, f"{path} has {len(matrix)} rows for {rows} texts; there must be one each")
    unusable = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(unusable):
        raise InvalidArgument.field(field, f"{path}: row {unusable[0]} holds NaN or infinity; embed that text again")
    return np.asarray(matrix, np.float32)


def cached_embeddings(
    texts: Sequence[str], embedder: TextEmbedder, cache: Path, progress: Callable[[int], object]
) -> Float32:
    """Return the embeddings of texts, computed only if ``cache`` has none of the same texts, model and weights.

    ``progress`` is called with the number of texts embedded so far.
    """
    # A folder may be written over with another model; what a name is of stays as good as ever.
    model = f"{embedder.name} {embedder.fingerprint}" if Path(embedder.name).is_dir() else embedder.name
    kept = cache / f"{_content_hash(texts, model)}.npy"
    if not kept.exists():
        with write_bytes_to(kept) as file:
            np.save(file, np.concatenate(list(_embed_in_parts(texts, embedder, progress))))
    return np.asarray(np.load(kept, allow_pickle=False), np.float32)


def _embed_in_parts(
    texts: Sequence[str], embedder: TextEmbedder, progress: Callable[[int], object]
) -> Iterator[NDArray[np.float16]]:
    for start in range(0, len(texts), PART_TEXTS):
        part = texts[start : start + PART_TEXTS]
        yield embedder.embed(part)
        progress(start + len(part))


def _content_hash(texts: Sequence[str], model: str) -> str:
    digest = hashlib.sha256(model.encode())
    for text in texts:
        encoded = text.encode(errors="surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()
