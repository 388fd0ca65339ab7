"""Every annotation type by the generated stubs alone, as clients in other languages have them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from nextlabel.v1 import annotation_pb2, pool_pb2, project_service_pb2
from nextlabel.v1 import labeling_service_pb2 as pb
from nextlabel.v1 import run_service_pb2 as run_pb
from tests.api.services.conftest import DIMENSION, GIVEN, Api, batch, header, label_space, request_id, serving
from tests.fake_anthropic import Asked, FakeAnthropic, Scripted
from tests.fake_anthropic.brains import compose

ITEMS, LEASED = 12, 4
Answer = annotation_pb2.Answer


@dataclass(frozen=True)
class Kind:
    """A type with the answer of a person, the JSON of a model, and the answer that this is."""

    type: annotation_pb2.AnnotationType.ValueType
    given: Answer
    field: str
    says: Any
    read: Answer
    settings: Mapping[str, Any]
    pair: bool = False


CLASSES = {"label_space": label_space("cold", "warm")}
KINDS = {
    "single_label": Kind(
        annotation_pb2.ANNOTATION_TYPE_SINGLE_LABEL,
        Answer(single_label=annotation_pb2.SingleLabel(label="warm")),
        "label",
        "cold",
        Answer(single_label=annotation_pb2.SingleLabel(label="cold")),
        CLASSES,
    ),
    "multi_label": Kind(
        annotation_pb2.ANNOTATION_TYPE_MULTI_LABEL,
        Answer(multi_label=annotation_pb2.MultiLabel(labels=["cold", "warm"])),
        "labels",
        ["cold"],
        Answer(multi_label=annotation_pb2.MultiLabel(labels=["cold"])),
        CLASSES,
    ),
    "score": Kind(
        annotation_pb2.ANNOTATION_TYPE_SCORE,
        Answer(score=annotation_pb2.Score(value=5)),
        "score",
        2,
        Answer(score=annotation_pb2.Score(value=2)),
        {"score_range": project_service_pb2.ScoreRange(minimum=1, maximum=5, step=1)},
    ),
    "preference": Kind(
        annotation_pb2.ANNOTATION_TYPE_PAIRWISE_PREFERENCE,
        Answer(preference=annotation_pb2.PairwisePreference(winner=annotation_pb2.PREFERENCE_WINNER_A)),
        "better",
        "tie",
        Answer(preference=annotation_pb2.PairwisePreference(winner=annotation_pb2.PREFERENCE_WINNER_TIE)),
        {},
        pair=True,
    ),
    "text": Kind(
        annotation_pb2.ANNOTATION_TYPE_TEXT,
        Answer(text=annotation_pb2.TextResponse(text="By a person.")),
        "text",
        "By a model.",
        Answer(text=annotation_pb2.TextResponse(text="By a model.")),
        {},
    ),
}


def answers(asked: Asked) -> Any:
    """Answer each type by the field that its schema asks for, and the question that comes first as it wants."""
    if asked.labels and "cold" not in asked.labels:
        return compose(asked, lambda _: asked.labels[0])
    found = compose(asked, lambda _: "cold")
    for one in found.get("answers", [found]):
        one |= {kind.field: kind.says for kind in KINDS.values() if kind.field in asked.answer_schema["properties"]}
    return found


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("types"), FakeAnthropic(brain=Scripted(answers))) as served:
        yield served


def matrix() -> pool_pb2.EmbeddingMatrix:
    """Two halves of equal length, so that they are those of pairs, too."""
    angles = np.linspace(0, 3, 2 * ITEMS).reshape(ITEMS, 2)
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=2).reshape(ITEMS, DIMENSION) / np.sqrt(2)
    data = rows.astype("<f2").tobytes()
    return pool_pb2.EmbeddingMatrix(dimension=DIMENSION, data_type=pool_pb2.DATA_TYPE_FLOAT16, data=data)


@pytest.mark.parametrize("name", KINDS)
def test_a_foreign_client_takes_a_project_from_its_creation_to_its_rows(api: Api, name: str) -> None:
    kind, project = KINDS[name], f"foreign-{name}"
    made = project_service_pb2.Project(name=project, annotation_type=kind.type, embedding=GIVEN, **kind.settings)
    api.projects.CreateProject(project_service_pb2.CreateProjectRequest(project=made))
    pair = pool_pb2.TextPair(a="this one", b="that one") if kind.pair else None
    given = [pool_pb2.Item(id=f"i{n}", text=f"text {n}", pair=pair) for n in range(ITEMS)]
    acks = list(api.pool.AddItems(iter([header(project, request_id()), batch(1, given, matrix())])))
    assert acks[-1].accepted == ITEMS

    request = pb.LeaseItemsRequest(request_id=request_id(), project=project, annotator="ann", count=LEASED)
    lease = api.labeling.LeaseItems(request).lease
    by_person = {one.item.id for one in lease.items}
    assert len(by_person) == LEASED
    submitted = pb.SubmitAnnotationsRequest(
        request_id=request_id(),
        project=project,
        annotator="ann",
        lease_id=lease.lease_id,
        annotations=[pb.SubmittedAnnotation(item_id=item_id, answer=kind.given) for item_id in sorted(by_person)],
    )
    results = api.labeling.SubmitAnnotations(submitted).results
    assert [one.status for one in results] == [pb.SUBMIT_STATUS_ACCEPTED] * LEASED

    spec = run_pb.RunSpec(
        annotator=run_pb.AnnotatorSpec(anthropic=run_pb.AnthropicAnnotator(model="claude-haiku-4-5")),
        strategy=project_service_pb2.StrategySpec(name="random"),
        batch_size=ITEMS,
        limits=annotation_pb2.Cost(labels=ITEMS - LEASED, micro_usd=5_000_000),
    )
    run = api.runs.StartRun(run_pb.StartRunRequest(request_id=request_id(), project=project, spec=spec)).run
    list(api.runs.WatchRun(run_pb.WatchRunRequest(project=project, run_id=run.run_id), timeout=60))

    listed = list(api.labeling.ListAnnotations(pb.ListAnnotationsRequest(project=project, page_size=100)).annotations)
    by_name = [(one.provenance.annotator == "ann", one.item_id, one.answer) for one in listed]
    assert {item: answer for person, item, answer in by_name if person} == dict.fromkeys(by_person, kind.given)
    # Of pairs and scores a model is asked about people's answers first, to know how often it agrees with them.
    by_model = {item: answer for person, item, answer in by_name if not person and item not in by_person}
    assert by_model == dict.fromkeys({item.id for item in given} - by_person, kind.read)
    parts = api.labeling.ExportAnnotations(pb.ExportAnnotationsRequest(project=project))
    rows = [json.loads(line) for line in b"".join(part.lines for part in parts).splitlines()]
    assert {row["item_id"] for row in rows} == {item.id for item in given}
    assert len(rows) == len(listed)
