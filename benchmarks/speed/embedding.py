"""Rows per second of the embedder against bare sentence-transformers in float32, alternating in one process.

    python -m benchmarks.speed.embedding DATA_DIR --rows 2000 --repeats 5

Prints one JSON line: medians of both, their ratio, and the least cosine between their embeddings.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

from benchmarks.learners.labeled_sets import load_texts
from nextlabel.server.learners.embedding.embedder import DEFAULT_MODEL, Embedder, resolve_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", default="clinc10")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()

    texts = load_texts(options.data / options.set)[: options.rows]
    embedder = Embedder()
    bare = SentenceTransformer(resolve_model(DEFAULT_MODEL), device="cpu")
    ours_seconds, bare_seconds = [], []
    embedder.embed(texts[:64])
    bare.encode(texts[:64])
    for _ in range(options.repeats):
        started = time.perf_counter()
        ours = embedder.embed(texts)
        ours_seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
        reference = bare.encode(texts, normalize_embeddings=True)
        bare_seconds.append(time.perf_counter() - started)
    ours_rate = len(texts) / statistics.median(ours_seconds)
    bare_rate = len(texts) / statistics.median(bare_seconds)
    result = {
        "set": options.set,
        "rows": len(texts),
        "words_mean": round(float(np.mean([len(text.split()) for text in texts])), 1),
        "rows_per_s": round(ours_rate, 1),
        "bare_fp32_rows_per_s": round(bare_rate, 1),
        "ratio": round(ours_rate / bare_rate, 3),
        "cosine_min": round(float(np.sum(ours.astype(np.float32) * reference, axis=1).min()), 5),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
