"""One request for every RPC that does what the RPC is for, on a project where everything is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from nextlabel.v1 import access_service_pb2 as access_pb
from nextlabel.v1 import annotation_pb2, pool_pb2
from nextlabel.v1 import budget_service_pb2 as budget_pb
from nextlabel.v1 import labeling_service_pb2 as labeling_pb
from nextlabel.v1 import learner_service_pb2 as learner_pb
from nextlabel.v1 import pool_service_pb2 as items_pb
from nextlabel.v1 import project_service_pb2 as project_pb
from nextlabel.v1 import quality_service_pb2 as quality_pb
from nextlabel.v1 import run_service_pb2 as run_pb
from tests.api.catalogue import API_RPCS, Rpc
from tests.api.services.conftest import GIVEN, Api, batch, header, items, label, label_space, matrix, request_id
from tests.api.services.runs.test_learning_and_runs import given_items, run_spec
from tests.api.services.test_zero_values import nothing_but_the_project

# Streams without an end are left after this many seconds.
_WATCH_S = 0.5
_PEOPLE = run_pb.AnnotatorSpec(human=run_pb.HumanAnnotator(annotator="ann"))


@dataclass(frozen=True)
class Answer:
    """How a call ended."""

    rpc: str
    code: grpc.StatusCode
    words: str


@dataclass(frozen=True)
class Working:
    """A project with 40 items in the pool, 10 held out, annotations, known labels, a lease, a run and a model."""

    name: str
    lease: str
    run: str
    token: str


def working_project(api: Api) -> Working:
    name = api.filled(40, holdout=10)
    api.submit(name, "ann", range(10))
    api.upload_truth(name, 40)
    api.learner.Train(learner_pb.TrainRequest(project=name))
    api.quality.SetFilter(quality_pb.SetFilterRequest(project=name, name="old", rule="trusted", disabled=True))
    spec = run_spec(annotator=_PEOPLE)
    run = api.runs.StartRun(run_pb.StartRunRequest(project=name, spec=spec)).run
    lease = api.labeling.LeaseItems(labeling_pb.LeaseItemsRequest(project=name, annotator="bob", count=1)).lease
    token = api.access.CreateToken(access_pb.CreateTokenRequest(name=name, role=access_pb.ROLE_READER)).token
    return Working(name, lease.lease_id, run.run_id, token.token_id)


def call_everything(api: Api, project: Working, first: int) -> list[Answer]:
    """Make every call of the API once, what takes things away last; ``first`` numbers what they add."""
    special = _adding(project.name, first) | _changing(project) | _reading(project)
    last = ("ReleaseLease", "PauseRun", "ResumeRun", "StopRun", "RevokeToken", "DeleteItems", "DeleteProject")
    ordered = sorted(API_RPCS, key=lambda rpc: last.index(rpc.name) if rpc.name in last else -1)
    return [
        _call(api, rpc, special.get(rpc.name) or [nothing_but_the_project(rpc.descriptor, project.name)])
        for rpc in ordered
    ]


def _adding(project: str, first: int) -> dict[str, Sequence[Any]]:
    known = labeling_pb.ReplayLabel(item_id="item-1", answer=label("warm"))
    known_header = labeling_pb.ReplayLabelsHeader(project=project, label_set=f"known-{first}")
    answers = [labeling_pb.SubmittedAnnotation(item_id=f"item-{n}", answer=label("warm")) for n in (20, 21)]
    new = project_pb.Project(
        name=f"{project}-{first}",
        annotation_type=annotation_pb2.ANNOTATION_TYPE_SINGLE_LABEL,
        label_space=label_space("a", "b"),
        embedding=GIVEN,
    )
    return {
        "CreateToken": [access_pb.CreateTokenRequest(name=f"{project}-{first}", role=access_pb.ROLE_READER)],
        "LeaseItems": [labeling_pb.LeaseItemsRequest(project=project, annotator=f"leaser-{first}", count=2)],
        "SubmitAnnotations": [
            labeling_pb.SubmitAnnotationsRequest(project=project, annotator=f"by-{first}", annotations=answers)
        ],
        "UploadReplayLabels": [
            labeling_pb.UploadReplayLabelsRequest(header=known_header),
            labeling_pb.UploadReplayLabelsRequest(batch=labeling_pb.ReplayLabelBatch(labels=[known])),
        ],
        "AddItems": [header(project, request_id()), batch(1, items(3, first=first), matrix(3, first=first))],
        "CreateProject": [project_pb.CreateProjectRequest(project=new)],
        "CreateGuidelines": [project_pb.CreateGuidelinesRequest(project=project, text=f"be kind, {first} times")],
        "StartRun": [run_pb.StartRunRequest(project=project, spec=run_spec(annotator=_PEOPLE))],
    }


def _changing(project: Working) -> dict[str, Sequence[Any]]:
    labels = budget_pb.BUDGET_DIMENSION_LABELS
    total = budget_pb.BUDGET_WINDOW_TOTAL
    name, lease = project.name, project.lease
    update = project_pb.UpdateProjectRequest(project=project_pb.Project(name=name, overlap=2))
    update.update_mask.paths.append("overlap")
    return {
        "SetBudget": [budget_pb.SetBudgetRequest(project=name, dimension=labels, window=total, limit=1_000)],
        "SetFilter": [quality_pb.SetFilterRequest(project=name, name="short", rule="len(text) < 5")],
        "RemoveFilter": [quality_pb.RemoveFilterRequest(project=name, name="old")],
        "KeepItems": [quality_pb.KeepItemsRequest(project=name, item_ids=["item-1"])],
        "SelectBatch": [labeling_pb.SelectBatchRequest(project=name, count=2)],
        "ExtendLease": [labeling_pb.ExtendLeaseRequest(project=name, lease_id=lease)],
        "ReleaseLease": [labeling_pb.ReleaseLeaseRequest(project=name, lease_id=lease)],
        "UpdateProject": [update],
        "AcceptGuidelines": [project_pb.AcceptGuidelinesRequest(project=name, version=1)],
        "RejectGuidelines": [project_pb.RejectGuidelinesRequest(project=name, version=1)],
        "PauseRun": [run_pb.PauseRunRequest(project=name, run_id=project.run)],
        "ResumeRun": [run_pb.ResumeRunRequest(project=name, run_id=project.run)],
        "StopRun": [run_pb.StopRunRequest(project=name, run_id=project.run)],
        "RevokeToken": [access_pb.RevokeTokenRequest(token_id=project.token)],
        "DeleteItems": [items_pb.DeleteItemsRequest(project=name, item_ids=["item-39"])],
        "DeleteProject": [project_pb.DeleteProjectRequest(project=name)],
    }


def _reading(project: Working) -> dict[str, Sequence[Any]]:
    name, run = project.name, project.run
    labels = budget_pb.BUDGET_DIMENSION_LABELS
    return {
        "GetBudget": [budget_pb.GetBudgetRequest(project=name, dimension=labels)],
        "GetConsensus": [labeling_pb.GetConsensusRequest(project=name, item_id="item-1")],
        "Predict": [learner_pb.PredictRequest(project=name, input=given_items(30, 31))],
        "PredictStream": [learner_pb.PredictStreamRequest(project=name, input=given_items(30, 31))],
        "Evaluate": [learner_pb.EvaluateRequest(project=name, split=pool_pb2.SPLIT_HOLDOUT)],
        "ListFilterHits": [quality_pb.ListFilterHitsRequest(project=name, rule="len(text) < 5")],
        "GetItem": [items_pb.GetItemRequest(project=name, item_id="item-1")],
        "GetRun": [run_pb.GetRunRequest(project=name, run_id=run)],
        "WatchRun": [run_pb.WatchRunRequest(project=name, run_id=run)],
        "QuoteRun": [run_pb.QuoteRunRequest(project=name, spec=run_spec())],
    }


def _call(api: Api, rpc: Rpc, given: Sequence[Any]) -> Answer:
    raw = [request.SerializeToString() for request in given]
    streams = rpc.descriptor.client_streaming, rpc.descriptor.server_streaming
    make: Callable[[str], Any] = {
        (False, False): api.channel.unary_unary,
        (True, False): api.channel.stream_unary,
        (False, True): api.channel.unary_stream,
        (True, True): api.channel.stream_stream,
    }[streams]
    endless = rpc.name.startswith("Watch")
    try:
        reply = make(rpc.path)(iter(raw) if streams[0] else raw[0], timeout=_WATCH_S if endless else 120)
        if streams[1]:
            for _ in reply:
                continue
    except grpc.RpcError as error:
        if endless and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return Answer(rpc.name, grpc.StatusCode.OK, "")
        return Answer(rpc.name, error.code(), error.details() or "")
    return Answer(rpc.name, grpc.StatusCode.OK, "")
