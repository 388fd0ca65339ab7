"""Answers that are joined in the way that a project names, as the API tells them."""

from __future__ import annotations

from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from nextlabel.v1 import labeling_service_pb2 as pb
from nextlabel.v1 import learner_service_pb2, project_service_pb2
from tests.api.services.conftest import CLASSES, Api, label, true_class

ITEMS = 40
WRONG = {CLASSES[0]: CLASSES[1], CLASSES[1]: CLASSES[0]}


def answered(api: Api, **settings: Any) -> str:
    """A project in which one person is always right, and two others at random; on the last items they err alike."""
    project = api.filled(ITEMS, overlap=3, **settings)
    said = {"ann": [true_class(n) for n in range(ITEMS)]}
    for at, name in enumerate(("bob", "cid")):
        said[name] = [
            WRONG[true_class(n)] if n >= ITEMS - 4 or (n + at) % 3 == 0 else true_class(n) for n in range(ITEMS)
        ]
    for name, labels in said.items():
        given = [pb.SubmittedAnnotation(item_id=f"item-{n}", answer=label(c)) for n, c in enumerate(labels)]
        request = pb.SubmitAnnotationsRequest(project=project, annotator=name, annotations=given)
        api.labeling.SubmitAnnotations(request)
    return project


def labels(api: Api, project: str) -> list[tuple[str, str]]:
    found = api.labeling.ListConsensus(pb.ListConsensusRequest(project=project, page_size=ITEMS)).consensus
    return [(one.answer.single_label.label, one.method) for one in found]


def test_the_better_person_decides_once_the_project_says_so(api: Api) -> None:
    project = answered(api)
    votes = labels(api, project)
    assert votes[-4:] == [(WRONG[true_class(n)], "majority") for n in range(ITEMS - 4, ITEMS)]
    changed = project_service_pb2.Project(name=project, consensus="one_coin")
    mask = FieldMask(paths=["consensus"])
    api.projects.UpdateProject(project_service_pb2.UpdateProjectRequest(project=changed, update_mask=mask))
    assert labels(api, project) == [(true_class(n), "one_coin") for n in range(ITEMS)]
    one = api.labeling.GetConsensus(pb.GetConsensusRequest(project=project, item_id=f"item-{ITEMS - 1}")).consensus
    assert one.trusted
    assert one.probability < 0.5
    assert {c.label: c.probability > 0.5 for c in one.candidates}[one.answer.single_label.label]


def test_training_and_exports_go_by_it(api: Api) -> None:
    project = answered(api, consensus="one_coin")
    request = pb.ExportAnnotationsRequest(project=project, format=pb.EXPORT_FORMAT_SFT)
    lines = b"".join(chunk.lines for chunk in api.labeling.ExportAnnotations(request)).decode()
    assert lines.count('"joined_by":"one_coin"') == ITEMS
    api.learner.Train(learner_service_pb2.TrainRequest(project=project))
    ids = learner_service_pb2.ItemIdList(item_ids=[f"item-{n}" for n in range(ITEMS)])
    given = learner_service_pb2.PredictionInput(items=ids)
    found = api.learner.Predict(learner_service_pb2.PredictRequest(project=project, input=given)).predictions
    assert [one.label for one in found] == [true_class(n) for n in range(ITEMS)]
