"""What asking while training buys: the wall time of a run against its annotator's alone, and what it costs in accuracy.

    python -m benchmarks.speed.pipelining DATA_DIR --latency 2 --training 1 --rounds 50
    python -m benchmarks.speed.pipelining DATA_DIR --seeds 10 --rounds 20 --latency 0.5

DATA_DIR has labeled sets as in `benchmarks.learners.labeled_sets`. The server runs in this process. Its replay
annotator takes --latency seconds a batch, and a training, evaluation included, is stretched to --training seconds. The
first form drives one run with `train_while_asking` and one without; `over_annotator` is wall time by rounds × latency,
`select_s` the median of what the selections took, and `train_s` that of the trainings before they were stretched.

The second drives both for each seed; one after the other nobody is waited for. A batch is picked by a model that is one
round older, and with the answers to the batch before it as that model predicts them, as long as --latency is more than
training and choosing take.
`difference` is the mean over seeds of the mean accuracy over the points of a run, asking while training minus one after
the other, with its standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa

from benchmarks.learners.labeled_sets import LabeledSet, load_set
from nextlabel.client import Client
from nextlabel.client.specs import replay, run_spec
from nextlabel.server.annotators.replay import ReplayAnnotator
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.embedded.engine import Engine
from nextlabel.server.values.labeling.answers import Answer
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.models import ModelVersion

LABELS = "truth"


@contextlib.contextmanager
def paced(latency_s: float, training_s: float) -> Iterator[list[float]]:
    """Let batches and trainings of this process take as long as is said; a training that takes longer does.

    The value gathers the seconds that trainings took by themselves.
    """
    annotate, train = ReplayAnnotator.annotate, Learning.train
    trained: list[float] = []

    async def late(
        self: ReplayAnnotator, task: Task, items: Sequence[ItemToAnnotate]
    ) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        await asyncio.sleep(latency_s)
        async for answered in annotate(self, task, items):
            yield answered

    async def slow(self: Learning, *args: Any, **options: Any) -> ModelVersion:
        began = time.monotonic()
        model = await train(self, *args, **options)
        trained.append(time.monotonic() - began)
        await asyncio.sleep(max(0.0, training_s - trained[-1]))
        return model

    with mock.patch.object(ReplayAnnotator, "annotate", late), mock.patch.object(Learning, "train", slow):
        yield trained


def new_project(client: Client, data: LabeledSet, name: str, estimator: str) -> None:
    """Fill a project with a set: its training rows as the pool, its test rows as the holdout."""
    labels = [data.classes[label] for label in data.train_labels_N]
    dimension = data.train_embeddings_ND.shape[1]
    client.projects.create(
        name, labels=list(data.classes), embeddings_given=True, dimension=dimension, estimator=estimator
    )
    held = [data.classes[label] for label in data.test_labels_M]
    holdout = pa.table({"id": [f"h{i}" for i in range(len(held))], "text": [f"h{i}" for i in range(len(held))]})
    holdout = holdout.append_column("label", pa.array(held))
    client.pool.add(name, holdout, embeddings=data.test_embeddings_MD.astype(np.float16), split="holdout")
    ids = [f"i{i}" for i in range(len(labels))]
    client.pool.add(name, pa.table({"id": ids, "text": ids}), embeddings=data.train_embeddings_ND.astype(np.float16))
    client.labeling.upload_replay_labels(name, LABELS, dict(zip(ids, labels, strict=True)))


def driven(client: Client, name: str, options: argparse.Namespace, seed: int, *, ahead: bool) -> dict[str, Any]:
    """Drive a run to its end; return its seconds, and the accuracy of each point by labels."""
    began = time.monotonic()
    spec = run_spec(
        replay(LABELS),
        batch_size=options.batch,
        max_rounds=options.rounds,
        seed=seed,
        train_while_asking=ahead,
        strategy=options.strategy,
    )
    run = client.runs.start(name, spec)
    ended = run.wait()
    seconds = time.monotonic() - began
    points = run.curve.get().points
    selected = [event.batch_selected.seconds for event in run.watch() if event.HasField("batch_selected")]
    return {
        "train_while_asking": ahead,
        "rounds": ended.rounds,
        "select_s": round(float(np.median(selected)), 3),
        "seconds": round(seconds, 2),
        "labels": [point.labels for point in points],
        "accuracy": [round(point.accuracy, 4) for point in points],
    }


def wall_time(client: Client, data: LabeledSet, options: argparse.Namespace) -> None:
    alone = options.rounds * options.latency
    for ahead in (False, True):
        name = f"wall-{int(ahead)}"
        new_project(client, data, name, options.estimator)
        with paced(options.latency, options.training) as trained:
            run = driven(client, name, options, seed=0, ahead=ahead)
        told = {key: run[key] for key in ("train_while_asking", "rounds", "seconds", "select_s")}
        told |= {"train_s": round(float(np.median(trained)), 3), "annotator_alone_s": alone}
        print(json.dumps(told | {"over_annotator": round(run["seconds"] / alone, 3)}), flush=True)


def accuracy(client: Client, data: LabeledSet, options: argparse.Namespace) -> None:
    differences: list[float] = []
    last: list[float] = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        runs = []
        for ahead in (False, True):
            name = f"seed-{seed}-{int(ahead)}"
            new_project(client, data, name, options.estimator)
            with paced(options.latency if ahead else 0.0, 0.0):
                runs.append(driven(client, name, options, seed, ahead=ahead))
            client.projects.delete(name)
        after, ahead_of = (dict(zip(run["labels"], run["accuracy"], strict=True)) for run in runs)
        common = sorted(after.keys() & ahead_of.keys())
        gains = [ahead_of[labels] - after[labels] for labels in common]
        differences.append(float(np.mean(gains)))
        last.append(gains[-1])
        print(json.dumps({"seed": seed, "difference": round(differences[-1], 4), "at_the_end": last[-1]}), flush=True)
    for what, values in (("difference", differences), ("at_the_end", last)):
        error = np.std(values, ddof=1) / len(values) ** 0.5
        print(json.dumps({"set": data.name, what: round(float(np.mean(values)), 4), "error": round(float(error), 4)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", default="snips")
    parser.add_argument("--strategy", default="default")
    parser.add_argument("--estimator", default="", help="of the learner; the project's default if not given")
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--latency", type=float, default=2.0, help="seconds that the annotator takes for a batch")
    parser.add_argument("--training", type=float, default=1.0, help="seconds that a training takes at least")
    parser.add_argument("--seeds", type=int, default=0, help="compare accuracy over so many seeds instead")
    parser.add_argument("--first-seed", type=int, default=0, help="the others follow it")
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    options = parser.parse_args()
    data = load_set(options.data / options.set, options.cache)
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Engine(Path(folder))) as engine:
        (accuracy if options.seeds else wall_time)(engine.client, data, options)


if __name__ == "__main__":
    main()
