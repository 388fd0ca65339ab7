"""Projects and guidelines through the API."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf import duration_pb2, field_mask_pb2, struct_pb2

from nextlabel.v1 import annotation_pb2
from nextlabel.v1 import project_service_pb2 as pb
from tests.api.services.conftest import CLASSES, GIVEN, Api, label_space, refusal, request_id

SINGLE = annotation_pb2.ANNOTATION_TYPE_SINGLE_LABEL


def test_a_project_is_what_was_asked_for_with_the_defaults_filled_in(api: Api) -> None:
    name = api.project(
        overlap=2, lease_ttl=duration_pb2.Duration(seconds=30), show_suggestions=True, gold_share=0.1, consensus="auto"
    )
    project = api.projects.GetProject(pb.GetProjectRequest(project=name)).project
    assert [c.name for c in project.label_space.classes] == list(CLASSES)
    assert (project.overlap, project.lease_ttl.seconds, project.show_suggestions) == (2, 30, True)
    assert (project.gold_share, project.consensus) == (0.1, "auto")
    assert (project.learner.estimator, project.default_strategy.name) == ("default", "default")
    assert (project.embedding, project.model_version) == (GIVEN, 0)
    assert project.counts.pool == 0
    assert project.HasField("counts")


@pytest.mark.parametrize(
    ("project", "field"),
    [
        (pb.Project(name="Bad Name", annotation_type=SINGLE), "name"),
        (pb.Project(name="x", annotation_type=SINGLE, label_space=label_space("a")), "label_space.classes"),
        (
            pb.Project(name="x", annotation_type=SINGLE, label_space=label_space("a", "a")),
            "label_space.classes[1].name",
        ),
        (pb.Project(name="x", label_space=label_space("a", "b")), "project.annotation_type"),
        (pb.Project(name="x", annotation_type=SINGLE, overlap=-1, label_space=label_space("a", "b")), "overlap"),
        (
            pb.Project(name="x", annotation_type=SINGLE, audit_share=1.5, label_space=label_space("a", "b")),
            "audit_share",
        ),
    ],
)
def test_a_wrong_project_is_refused_with_the_field(api: Api, project: pb.Project, field: str) -> None:
    project.embedding.CopyFrom(GIVEN)
    project.name = project.name or "wrong"
    code, fields = refusal(lambda: api.projects.CreateProject(pb.CreateProjectRequest(project=project)))
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def test_an_unknown_estimator_strategy_or_parameter_is_refused_before_anything_is_stored(api: Api) -> None:
    params = struct_pb2.Struct()
    params.update({"temperature": 1})
    for wrong in (
        pb.Project(learner=pb.LearnerSettings(estimator="oracle")),
        pb.Project(learner=pb.LearnerSettings(params=params)),
        pb.Project(default_strategy=pb.StrategySpec(name="oracle")),
        pb.Project(default_strategy=pb.StrategySpec(name="margin", params=params)),
    ):
        wrong.MergeFrom(
            pb.Project(name="wrong", annotation_type=SINGLE, label_space=label_space("a", "b"), embedding=GIVEN)
        )
        code, _ = refusal(lambda wrong=wrong: api.projects.CreateProject(pb.CreateProjectRequest(project=wrong)))  # type: ignore[misc]
        assert code is grpc.StatusCode.INVALID_ARGUMENT
    code, _ = refusal(lambda: api.projects.GetProject(pb.GetProjectRequest(project="wrong")))
    assert code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("annotation_type", "params", "field"),
    [
        ("SINGLE_LABEL", {"measure": "f1"}, "measure_class"),
        ("SINGLE_LABEL", {"measure": "average_precision", "measure_class": "x"}, "measure_class"),
        ("SINGLE_LABEL", {"measure_class": "a"}, "measure_class"),
        ("SINGLE_LABEL", {"measure": "cost"}, "costs"),
        ("SINGLE_LABEL", {"measure": "cost", "costs": {"a": {"x": 2}}}, "costs"),
        ("SINGLE_LABEL", {"costs": {"a": {"b": 2}}}, "costs"),
        ("MULTI_LABEL", {"measure": "accuracy"}, "measure"),
        ("MULTI_LABEL", {"costs": {}}, "costs"),
        ("SCORE", {"C": 1}, "C"),
    ],
)
def test_a_measure_is_about_classes_that_there_are(
    api: Api, annotation_type: str, params: dict[str, Any], field: str
) -> None:
    kind = annotation_pb2.AnnotationType.Value(f"ANNOTATION_TYPE_{annotation_type}")
    classes = None if annotation_type == "SCORE" else label_space("a", "b")
    project = pb.Project(name="wrong", annotation_type=kind, label_space=classes, embedding=GIVEN)
    project.learner.params.update(params)
    code, fields = refusal(lambda: api.projects.CreateProject(pb.CreateProjectRequest(project=project)))
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, [f"learner.params.{field}"])


def test_what_is_not_offered_is_said_to_be_not_there_yet(api: Api) -> None:
    project = pb.Project(
        name="x", annotation_type=SINGLE, label_space=label_space("a", "b"), embedding=GIVEN, prompt_metadata=["origin"]
    )
    code, _ = refusal(lambda: api.projects.CreateProject(pb.CreateProjectRequest(project=project)))
    assert code is grpc.StatusCode.UNIMPLEMENTED


def test_a_call_that_comes_again_gets_the_first_answer_and_does_nothing(api: Api) -> None:
    name = api.project()
    request = pb.CreateGuidelinesRequest(request_id=request_id(), project=name, text="be brief", accept=True)
    first = api.projects.CreateGuidelines(request)
    assert api.projects.CreateGuidelines(request) == first
    versions = api.projects.ListGuidelines(pb.ListGuidelinesRequest(project=name)).guidelines
    assert [v.version for v in versions] == [2, 1]


def test_a_request_id_is_good_for_one_request_only(api: Api) -> None:
    name = api.project()
    used = request_id()
    api.projects.CreateGuidelines(pb.CreateGuidelinesRequest(request_id=used, project=name, text="one"))
    for other in (
        lambda: api.projects.CreateGuidelines(pb.CreateGuidelinesRequest(request_id=used, project=name, text="two")),
        lambda: api.projects.DeleteProject(pb.DeleteProjectRequest(request_id=used, project=name)),
    ):
        assert refusal(other) == (grpc.StatusCode.INVALID_ARGUMENT, ["request_id"])


@pytest.mark.parametrize("wrong", ["1", "not-a-uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"])
def test_a_request_id_must_be_a_uuid4(api: Api, wrong: str) -> None:
    name = api.project()
    request = pb.DeleteProjectRequest(request_id=wrong, project=name)
    assert refusal(lambda: api.projects.DeleteProject(request)) == (grpc.StatusCode.INVALID_ARGUMENT, ["request_id"])


def test_only_the_fields_of_the_mask_change(api: Api) -> None:
    name = api.project(overlap=2)
    changed = pb.Project(name=name, overlap=3, audit_share=0.5, label_space=label_space(*CLASSES, "hot"))
    request = pb.UpdateProjectRequest(
        project=changed, update_mask=field_mask_pb2.FieldMask(paths=["overlap", "label_space"])
    )
    project = api.projects.UpdateProject(request).project
    assert (project.overlap, project.audit_share, len(project.label_space.classes)) == (3, 0.0, 3)


@pytest.mark.parametrize("paths", [[], ["name"], ["annotation_type"], ["overlap", "nothing"]])
def test_a_mask_names_fields_that_can_be_changed(api: Api, paths: list[str]) -> None:
    request = pb.UpdateProjectRequest(
        project=pb.Project(name=api.project()), update_mask=field_mask_pb2.FieldMask(paths=paths)
    )
    assert refusal(lambda: api.projects.UpdateProject(request)) == (grpc.StatusCode.INVALID_ARGUMENT, ["update_mask"])


def test_classes_are_not_taken_away(api: Api) -> None:
    request = pb.UpdateProjectRequest(
        project=pb.Project(name=api.project(), label_space=label_space("cold", "hot")),
        update_mask=field_mask_pb2.FieldMask(paths=["label_space"]),
    )
    code, fields = refusal(lambda: api.projects.UpdateProject(request))
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["label_space.classes"])


def test_a_deleted_project_is_gone_and_its_name_is_free(api: Api) -> None:
    name = api.filled()
    api.projects.DeleteProject(pb.DeleteProjectRequest(project=name))
    code, _ = refusal(lambda: api.projects.GetProject(pb.GetProjectRequest(project=name)))
    assert code is grpc.StatusCode.NOT_FOUND
    again = pb.Project(name=name, annotation_type=SINGLE, label_space=label_space(*CLASSES), embedding=GIVEN)
    api.projects.CreateProject(pb.CreateProjectRequest(project=again))
    assert api.projects.GetProject(pb.GetProjectRequest(project=name)).project.counts.pool == 0


def test_projects_are_listed_by_name_page_by_page(api: Api) -> None:
    names = {api.project() for _ in range(3)}
    seen: list[str] = []
    token = ""
    while True:
        page = api.projects.ListProjects(pb.ListProjectsRequest(page_size=2, page_token=token))
        assert len(page.projects) <= 2
        seen += [project.name for project in page.projects]
        token = page.next_page_token
        if not token:
            break
    assert names <= set(seen)
    assert seen == sorted(set(seen))


def test_guidelines_are_proposed_accepted_retired_and_rejected(api: Api) -> None:
    name = api.project()
    for text in ("second", "third"):
        api.projects.CreateGuidelines(pb.CreateGuidelinesRequest(project=name, text=text))
    api.projects.AcceptGuidelines(pb.AcceptGuidelinesRequest(project=name, version=2))
    api.projects.RejectGuidelines(pb.RejectGuidelinesRequest(project=name, version=3))
    versions = api.projects.ListGuidelines(pb.ListGuidelinesRequest(project=name)).guidelines
    assert [(v.version, v.state) for v in versions] == [
        (3, pb.GUIDELINES_STATE_REJECTED),
        (2, pb.GUIDELINES_STATE_ACCEPTED),
        (1, pb.GUIDELINES_STATE_RETIRED),
    ]
    assert api.projects.GetGuidelines(pb.GetGuidelinesRequest(project=name)).guidelines.text == "second"
    code, _ = refusal(lambda: api.projects.RejectGuidelines(pb.RejectGuidelinesRequest(project=name, version=2)))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
