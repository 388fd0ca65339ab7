"""How equal an exported model's probabilities are to those of the server that it comes from.

python -m benchmarks.speed.exported_model FOLDER TEXTS [--server 127.0.0.1:7070]

FOLDER is what `nextlabel model export` wrote of a project whose texts the server embeds, TEXTS has a text a line.
Needs numpy, onnxruntime and tokenizers.
"""

from __future__ import annotations

import argparse
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nextlabel.client import connect
from nextlabel.v1.learner_service_pb2 import Prediction

MOST_AT_ONCE = 100


def matrix(predictions: Sequence[Prediction], classes: Sequence[str]) -> Any:
    """Probabilities, (n, C)."""
    rows = [{one.label: one.probability for one in prediction.candidates} for prediction in predictions]
    return np.array([[row[name] for name in classes] for row in rows])


def answers(predictions: Sequence[Prediction]) -> list[Any]:
    """What is given: a class, or several in their order."""
    several = [sorted(one.answer.multi_label.labels) for one in predictions]
    return [
        names if one.answer.HasField("multi_label") else one.label
        for one, names in zip(predictions, several, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--server", default="127.0.0.1:7070")
    given = parser.parse_args()
    texts = [line for line in given.texts.read_text(encoding="utf-8").split("\n") if line.strip()]
    exported = runpy.run_path(str(given.folder / "predict.py"))
    classes = exported["MODEL"]["classes"]
    wanted = {"candidates": len(classes), "model_version": exported["MODEL"]["version"]}
    with connect(given.server, timeout_s=600) as client:
        project = client.project(exported["MODEL"]["project"])
        predicted: list[Prediction] = []
        for first in range(0, len(texts), MOST_AT_ONCE):
            part = texts[first : first + MOST_AT_ONCE]
            predicted += project.learner.predict(part, **wanted).predictions
        parts = [np.frombuffer(m.data, np.float16).reshape(-1, m.dimension) for m in project.pool.embed(texts)]
        embeddings = np.concatenate(parts).astype(np.float32)
        of_embeddings = project.learner.predict(embeddings=embeddings, **wanted).predictions
    head = exported["HEAD"].run(None, {"embeddings": embeddings})[0]
    apart = np.abs(exported["predict_proba"](texts) - matrix(predicted, classes)).max(axis=1)
    mine = [sorted(one) if isinstance(one, list) else one for one in exported["predict"](texts)]
    same = np.mean([a == b for a, b in zip(mine, answers(predicted), strict=True)])
    print(f"{project.name}: {len(texts)} texts, largest difference of a probability")
    print(f"  from the same embeddings: {np.abs(head - matrix(of_embeddings, classes)).max():.1e}")
    print(
        f"  from the texts: median {np.median(apart):.1e}, 99 % {np.quantile(apart, 0.99):.1e}, most {apart.max():.1e}"
    )
    print(f"  share above 1e-5: {np.mean(apart > 1e-5):.3f}; same answer: {same:.4f}")


if __name__ == "__main__":
    main()
