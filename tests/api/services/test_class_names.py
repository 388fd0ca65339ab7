"""Names of classes in any script, however they were typed."""

from __future__ import annotations

import grpc
import pytest

from nextlabel.v1 import annotation_pb2, labeling_service_pb2
from nextlabel.v1 import project_service_pb2 as pb
from tests.api.services.conftest import (
    GIVEN,
    Api,
    batch,
    header,
    items,
    label,
    label_space,
    refusal,
    request_id,
)

SINGLE = annotation_pb2.ANNOTATION_TYPE_SINGLE_LABEL
DECOMPOSED, COMPOSED = "cafe\u0301", "caf\u00e9"


def created(api: Api, name: str, *classes: str) -> pb.Project:
    project = pb.Project(name=name, annotation_type=SINGLE, label_space=label_space(*classes), embedding=GIVEN)
    return api.projects.CreateProject(pb.CreateProjectRequest(project=project)).project


def test_names_of_every_script_are_taken(api: Api) -> None:
    names = ["می\u200cخواهم", "क्\u200dष", "👩\u200d🔬", "état\u00a0civil", "arts, letters", "0"]
    assert [c.name for c in created(api, "scripts", *names).label_space.classes] == names


@pytest.mark.parametrize("name", ["a\u2028b", "a\u2029b", "a\x1bb", "a\u202eb", "a\u200bb", "a\tb"])
def test_what_nobody_sees_is_refused(api: Api, name: str) -> None:
    code, fields = refusal(lambda: created(api, "invisible", "other", name))
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["label_space.classes[1].name"])


def test_composed_and_decomposed_are_one_name(api: Api) -> None:
    project = created(api, "accents", DECOMPOSED, "other")
    assert project.label_space.classes[0].name == COMPOSED
    _, fields = refusal(lambda: created(api, "twice", DECOMPOSED, COMPOSED))
    assert fields == ["label_space.classes[1].name"]
    list(api.pool.AddItems(iter([header("accents", request_id()), batch(1, items(4))])))
    answers = [
        labeling_service_pb2.SubmittedAnnotation(item_id=f"item-{n}", answer=label(name))
        for n, name in enumerate((DECOMPOSED, COMPOSED))
    ]
    request = labeling_service_pb2.SubmitAnnotationsRequest(project="accents", annotator="ann", annotations=answers)
    results = api.labeling.SubmitAnnotations(request).results
    assert [r.status for r in results] == [labeling_service_pb2.SUBMIT_STATUS_ACCEPTED] * 2
    listed = labeling_service_pb2.ListAnnotationsRequest(project="accents")
    assert {a.answer.single_label.label for a in api.labeling.ListAnnotations(listed).annotations} == {COMPOSED}
    known = [
        labeling_service_pb2.ReplayLabel(item_id=f"item-{n}", answer=label(name))
        for n, name in enumerate((DECOMPOSED, COMPOSED))
    ]
    upload = [
        labeling_service_pb2.UploadReplayLabelsRequest(
            header=labeling_service_pb2.ReplayLabelsHeader(project="accents", label_set="known")
        ),
        labeling_service_pb2.UploadReplayLabelsRequest(batch=labeling_service_pb2.ReplayLabelBatch(labels=known)),
    ]
    assert api.labeling.UploadReplayLabels(iter(upload)).accepted == 2
