"""Labels of a simulated crowd through the API: joined by votes, and in the way that the server chooses.

    python -m benchmarks.annotators.joined_answers --items 1000 --seeds 4

People answer items of a server by `SubmitAnnotations`, a few each; 50 of the items are gold that they answer as well.
The labels are what `ListConsensus` says under either setting of the project. One more annotation is timed where it
costs: from the stored answer to all labels, in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from google.protobuf.field_mask_pb2 import FieldMask

from benchmarks.assessment.report import markdown
from nextlabel.server.assessment.consensus.choice import MODELS
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Answer, Label, Outcome, Provenance
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.projects.projects import CHOSEN, MAJORITY, LabelClass
from nextlabel.v1 import annotation_pb2, pool_pb2, project_service_pb2
from nextlabel.v1 import labeling_service_pb2 as pb
from tests.api.services.conftest import DIMENSION, GIVEN, Api, batch, header, label, label_space, request_id, serving
from tests.memory_store.state_store import MemoryStateStore
from tests.store import values as v

CLASSES = ("a", "b", "c", "d")
GOLD = 50
_numbers = itertools.count()

T = TypeVar("T")
Panel = Callable[[np.random.Generator, int, int], int]
"""An annotator's answer about an item of a class, by its number in the panel; positions of classes."""


def erring(*accuracies: float) -> Panel:
    """Annotators who are right as often as said and else say any other class."""

    def answer(rng: np.random.Generator, true: int, who: int) -> int:
        return true if rng.random() < accuracies[who] else int((true + rng.integers(1, len(CLASSES))) % len(CLASSES))

    return answer


def preferring(rng: np.random.Generator, true: int, who: int) -> int:
    """Two who know, and four of whom each says its favourite class in half of the cases."""
    if who < 2:
        return erring(0.85, 0.85)(rng, true, who)
    return who % len(CLASSES) if rng.random() < 0.5 else erring(*[0.75] * 6)(rng, true, who)


PANELS: Mapping[str, tuple[Panel, int, int]] = {
    "six alike, .75": (erring(*[0.75] * 6), 6, 3),
    "two good, four poor": (erring(0.95, 0.95, 0.5, 0.5, 0.45, 0.45), 6, 3),
    "one good among bad": (erring(0.95, 0.4, 0.4, 0.4), 4, 4),
    "favourite classes": (preferring, 6, 4),
}
"""Annotators, how many there are, and how many answer an item."""


def submit(api: Api, project: str, by_person: Mapping[int, Mapping[str, int]]) -> None:
    """Have people answer, at most 1,000 items a call."""
    for who, said in by_person.items():
        for part in _parts(said):
            given = [pb.SubmittedAnnotation(item_id=i, answer=label(CLASSES[c])) for i, c in part]
            request = pb.SubmitAnnotationsRequest(project=project, annotator=f"person{who}", annotations=given)
            api.labeling.SubmitAnnotations(request)


def _parts(said: Mapping[str, int]) -> Iterator[Sequence[tuple[str, int]]]:
    listed = list(said.items())
    return (listed[start : start + 1_000] for start in range(0, len(listed), 1_000))


def labels_of(api: Api, project: str) -> Mapping[str, str]:
    """Return the labels of all items that have one."""
    found: dict[str, str] = {}
    token = ""
    while True:
        request = pb.ListConsensusRequest(project=project, page_size=1_000, page_token=token)
        page = api.labeling.ListConsensus(request)
        found |= {one.item_id: one.answer.single_label.label for one in page.consensus}
        if not (token := page.next_page_token):
            return found


def right(api: Api, panel: str, items: int, seed: int) -> tuple[float, float, str]:
    """Return the share of right labels by votes and by the chosen way, gold left out, and which that is."""
    answer, people, each = PANELS[panel]
    rng = np.random.default_rng(seed)
    truth = rng.integers(len(CLASSES), size=items)
    project = f"crowd-{next(_numbers)}"
    settings = project_service_pb2.Project(
        name=project,
        annotation_type=annotation_pb2.ANNOTATION_TYPE_SINGLE_LABEL,
        label_space=label_space(*CLASSES),
        embedding=GIVEN,
        overlap=each,
    )
    api.projects.CreateProject(project_service_pb2.CreateProjectRequest(project=settings))
    pool = [
        pool_pb2.Item(
            id=f"item-{n}",
            text=f"text {seed} {n}",
            split=pool_pb2.SPLIT_GOLD if n < GOLD else pool_pb2.SPLIT_POOL,
            reference=label(CLASSES[truth[n]]) if n < GOLD else None,
        )
        for n in range(items)
    ]
    matrix = rng.standard_normal((items, DIMENSION)).astype(np.float16)
    rows = pool_pb2.EmbeddingMatrix(dimension=DIMENSION, data_type=pool_pb2.DATA_TYPE_FLOAT16, data=matrix.tobytes())
    list(api.pool.AddItems(iter([header(project, request_id()), batch(1, pool, rows)])))
    by_person: dict[int, dict[str, int]] = {who: {} for who in range(people)}
    for n in range(items):
        for who in rng.choice(people, each, replace=False).tolist():
            by_person[who][f"item-{n}"] = answer(rng, int(truth[n]), who)
    submit(api, project, by_person)

    def share() -> float:
        found = labels_of(api, project)
        return float(np.mean([found[f"item-{n}"] == CLASSES[truth[n]] for n in range(GOLD, items)]))

    votes = share()
    changed = project_service_pb2.Project(name=project, consensus=CHOSEN)
    mask = FieldMask(paths=["consensus"])
    api.projects.UpdateProject(project_service_pb2.UpdateProjectRequest(project=changed, update_mask=mask))
    joined = share()
    one = api.labeling.GetConsensus(pb.GetConsensusRequest(project=project, item_id="item-0")).consensus
    return votes, joined, one.method


class _Here:
    """Runs at once."""

    async def run(self, work: Callable[[], T]) -> T:
        return work()


def _add(annotation: Annotation, tx: Transaction) -> None:
    tx.labeling.add_annotations([annotation])


async def one_more_ms(way: str, items: int, repeats: int = 200) -> float:
    """Return the median of what an answer more costs, in milliseconds, after 3 answers about each of the items."""
    store = MemoryStateStore()
    project = replace(v.project(), consensus=way, classes=tuple(map(LabelClass, CLASSES)))
    await store.write(v.inserted(project))
    rng = np.random.default_rng(0)

    def given(row: int, who: int) -> Annotation:
        said = CLASSES[rng.integers(len(CLASSES))]
        answer = Answer(Outcome.LABEL, Provenance(f"w{who}"), body=Label(said))
        return replace(v.annotation(row, f"w{who}"), label=said, answer=answer, batch="")

    await store.write(lambda tx: tx.labeling.add_annotations([given(n, w) for n in range(items) for w in range(3)]))
    labels = Labels(store, Limits(), _Here())
    await labels.consensus(project)
    took = []
    for row in range(repeats):
        await store.write(partial(_add, given(row, 3)))
        began = time.perf_counter()
        await labels.consensus(project)
        took.append(1_000 * (time.perf_counter() - began))
    return statistics.median(took)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000)
    parser.add_argument("--seeds", type=int, default=4)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as api:
        for panel in PANELS:
            found = [right(api, panel, args.items, seed) for seed in range(args.seeds)]
            votes = statistics.mean(one[0] for one in found)
            joined = statistics.mean(one[1] for one in found)
            ways = ", ".join(sorted({method for _, _, method in found}))
            rows.append([panel, f"{votes:.3f}", f"{joined:.3f}", f"{joined - votes:+.3f}", ways])
    print(markdown("Labels of people through the API", ["panel", "votes", "auto", "gain", "ways chosen"], rows))
    costs = [[way, f"{asyncio.run(one_more_ms(way, args.items)):.3f}"] for way in (MAJORITY, *MODELS)]
    print(markdown("One annotation more", ["way", "ms, median"], costs))


if __name__ == "__main__":
    main()
