"""Training and evaluation on Ray against this process: the same bits, and what the way there costs.

python -m benchmarks.speed.ray_training DATA_DIR     snips: 100, 400 and 1,600 labels, one after the other
python -m benchmarks.speed.ray_training DATA_DIR --set banking77 --labels 1000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.learners.labeled_sets import LabeledSet, load_set
from nextlabel.server.compute.on_cluster import OnCluster
from nextlabel.server.compute.ray_cluster.cluster import RayCluster
from nextlabel.server.compute.threads import Threads
from nextlabel.server.domain.learning.trainings import Evaluating, Training
from nextlabel.server.domain.learning.types.single_label import SingleLabelLearner
from nextlabel.server.domain.learning.types.task_learner import Beside
from nextlabel.server.learners.evaluation import ClassEvaluation
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import TrainingSet
from nextlabel.server.values.labeling.answers import Label

POOL = 5_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", default="snips")
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 400, 1_600])
    given = parser.parse_args()
    data = load_set(given.data / given.set, Path(tempfile.gettempdir()) / "embeddings")
    cluster, waiting, here = RayCluster("", 1, "refuse"), Threads("waiting", 1), Threads("here", 1)
    try:
        cluster.join()
        found = _compared(data, given.labels, OnCluster(cluster, waiting, here))
    finally:
        waiting.close()
        here.close()
        cluster.close()
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    sys.exit(0 if all(row["same"] for row in found) else 1)


def _compared(data: LabeledSet, counts: list[int], on_ray: OnCluster) -> list[dict[str, Any]]:
    learner, spec, found = SingleLabelLearner(), parse_learner_spec("default", {}), []
    order = np.random.default_rng(0).permutation(len(data.train_labels_N))
    beside = Beside(data.train_embeddings_ND[order[-POOL:]], None, None)
    bodies = [Label(data.classes[label]) for label in data.test_labels_M]
    # The first one starts a process, and imports here: neither is what each one costs.
    for run in (_here, partial(_there, on_ray)):
        run(Training(learner, _labels(data, order[:50]), beside, spec, 0, None))
    previous = None
    for count in counts:
        training = Training(learner, _labels(data, order[:count]), beside, spec, 0, previous)
        (model, trained_here), (model_there, trained_there) = _here(training), _there(on_ray, training)
        evaluating = Evaluating(learner, model, data.test_embeddings_MD, bodies, None)
        (figures, evaluated_here), (figures_there, evaluated_there) = _here(evaluating), _there(on_ray, evaluating)
        found.append(
            {
                "labels": count,
                "sent_mb": round((len(pickle.dumps(training)) + len(pickle.dumps(evaluating))) / 1e6, 1),
                "seconds_here": round(trained_here + evaluated_here, 2),
                "seconds_on_ray": round(trained_there + evaluated_there, 2),
                "same": _bits(model) == _bits(model_there) and _figures(figures) == _figures(figures_there),
            }
        )
        sys.stderr.write(f"{found[-1]}\n")
        previous = model
    return found


def _labels(data: LabeledSet, rows_n: NDArray[np.int64]) -> TrainingSet:
    return TrainingSet(
        embeddings_ND=data.train_embeddings_ND[rows_n],
        labels_N=data.train_labels_N[rows_n],
        trusted_N=np.ones(len(rows_n), np.bool_),
        weights_N=np.ones(len(rows_n), np.float32),
        probabilities_NC=None,
        classes=data.classes,
    )


def _here(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def _there(on_ray: OnCluster, work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return asyncio.run(on_ray.run(work)), time.perf_counter() - began


def _bits(model: Model) -> tuple[Any, ...]:
    assert model.linear is not None
    return model.linear.coef_CD.tobytes(), model.linear.intercept_C.tobytes(), model.description.choice


def _figures(found: ClassEvaluation) -> tuple[Any, ...]:
    return found.n, found.accuracy, found.macro_f1, found.ece, found.confusion_CC.tobytes(), found.per_class


if __name__ == "__main__":
    main()
