"""The model that embeds texts as an ONNX file with its tokenizer: ``python -m ….encoder MODEL FOLDER``.

A program of its own: PyTorch's exporter changes what its whole process sees, and keeps memory.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.embedding.embedder import load_encoder
from nextlabel.server.learners.portable.graph import MAX_BYTES
from nextlabel.server.values.errors import DomainError, FailedPrecondition

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

ENCODER, TOKENIZER, NOTES = "encoder.onnx", "tokenizer.json", "encoder.json"
"""What is written: the graph, a file of Hugging Face's `tokenizers`, and which text goes before each."""

REFUSED = 3
OPSET = 18
# What preparing a text can do wrong: case, accents, spaces, padding, a window that is cut off, nothing at all.
PROBES = ("How do I reset my card's PIN?", "  ÉTÉ \t 日本語 🎉\n", "word " * 1_000, "", "yes")
# Of each number of an embedding of length 1, beside the rounding to float16.
WITHIN = 1e-3


def write_encoder(name: str, folder: Path) -> None:
    """Write a model into a folder, as it embeds in float32, rounded to float16 as embeddings are kept.

    Raises:
        FailedPrecondition: the model cannot be loaded, or its files would not say what it says.
    """
    import torch

    model = load_encoder(name, torch.float32).eval()
    if (size := sum(p.numel() * p.element_size() for p in model.parameters())) > MAX_BYTES:
        raise _refused(name, f"it takes {size >> 20:,} MiB and one file at most {MAX_BYTES >> 20:,}")
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise _refused(name, "its tokenizer has no form that other programs read")
    prefix = str(model.prompts.get(model.default_prompt_name or "") or "")
    tokenizer = json.loads(backend.to_str())
    tokenizer |= {"truncation": _truncation(model), "padding": _padding(model.tokenizer)}
    (folder / TOKENIZER).write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    (folder / NOTES).write_text(json.dumps({"prefix": prefix}), encoding="utf-8")
    try:
        _export(model, folder / ENCODER)
        same = _says_the_same(model, folder, prefix)
    except Exception as error:
        raise _refused(name, "PyTorch writes nothing that ONNX Runtime runs") from error
    if not same:
        raise _refused(name, "as ONNX it does not give the embeddings that it gives here")


def _says_the_same(model: SentenceTransformer, folder: Path, prefix: str) -> bool:
    expected = _unit_rows(np.asarray(model.encode(list(PROBES), convert_to_numpy=True, show_progress_bar=False)))
    # Several texts at once are padded, one alone is not.
    for probes, rows in ((PROBES, expected), (PROBES[:1], expected[:1])):
        found = embedded(folder, [prefix + text for text in probes])
        if found.shape != rows.shape or not np.abs(found - rows).max() < WITHIN:
            return False
    return True


def _export(model: SentenceTransformer, path: Path) -> None:
    import torch

    features = model.preprocess(list(PROBES[:2]))
    names = [key for key, value in features.items() if isinstance(value, torch.Tensor)]

    class Embedding(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *given: torch.Tensor) -> torch.Tensor:
            embeddings = self.model(dict(zip(names, given, strict=True)))["sentence_embedding"]
            return torch.nn.functional.normalize(embeddings, dim=-1).half().float()

    axis = torch.export.Dim.DYNAMIC
    torch.onnx.export(
        Embedding().eval(),
        tuple(features[name] for name in names),
        path,
        input_names=names,
        output_names=["embeddings"],
        dynamic_shapes=(tuple({0: axis, 1: axis} for _ in names),),
        opset_version=OPSET,
        external_data=False,
        dynamo=True,
        verbose=False,
    )
    _without_notes(path)


def _without_notes(path: Path) -> None:
    """Take out what the exporter notes beside every node: whole stacks, with the paths of this machine."""
    import onnx

    model = onnx.load(path)
    for noted in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        noted.ClearField("doc_string")
        noted.ClearField("metadata_props")
    del model.functions[:]
    onnx.save(model, path)


def _truncation(model: SentenceTransformer) -> dict[str, Any]:
    side = str(getattr(model.tokenizer, "truncation_side", "right")).capitalize()
    longest = int(model.max_seq_length or 512)
    return {"direction": side, "max_length": longest, "strategy": "LongestFirst", "stride": 0}


def _padding(tokenizer: Any) -> dict[str, Any]:
    return {
        "strategy": "BatchLongest",
        "direction": str(getattr(tokenizer, "padding_side", "right")).capitalize(),
        "pad_to_multiple_of": None,
        "pad_id": int(tokenizer.pad_token_id or 0),
        "pad_type_id": int(getattr(tokenizer, "pad_token_type_id", 0)),
        "pad_token": str(tokenizer.pad_token or ""),
    }


def embedded(folder: Path, texts: list[str]) -> NDArray[np.float32]:
    """Embed as somebody does who has the files alone."""
    import onnxruntime
    from tokenizers import Tokenizer

    tokens = Tokenizer.from_file(str(folder / TOKENIZER)).encode_batch(texts)
    columns = {
        "input_ids": [one.ids for one in tokens],
        "attention_mask": [one.attention_mask for one in tokens],
        "token_type_ids": [one.type_ids for one in tokens],
    }
    session = onnxruntime.InferenceSession(folder / ENCODER)
    given = {one.name: np.asarray(columns[one.name], np.int64) for one in session.get_inputs()}
    return np.asarray(session.run(None, given)[0], np.float32)


def _unit_rows(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)


def _refused(name: str, why: str) -> FailedPrecondition:
    return FailedPrecondition(f"embedding model {name!r} cannot be written as ONNX: {why}", reason="NOT_PORTABLE")


def main(name: str, folder: str) -> int:
    """Write the encoder; what keeps it from being written is printed. Returns the exit code."""
    os.nice(10)
    try:
        write_encoder(name, Path(folder))
    except DomainError as error:
        sys.stdout.write(error.message)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
