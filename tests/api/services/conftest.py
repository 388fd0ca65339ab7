"""One whole server over real stores for all tests of the services; each test has projects of its own."""

from __future__ import annotations

import asyncio
import itertools
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import numpy as np
import pytest
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status

from nextlabel.server.app import running
from nextlabel.server.settings.settings import load_settings
from nextlabel.v1 import annotation_pb2, labeling_service_pb2, pool_pb2, pool_service_pb2, project_service_pb2
from nextlabel.v1.access_service_pb2_grpc import AccessServiceStub
from nextlabel.v1.budget_service_pb2_grpc import BudgetServiceStub
from nextlabel.v1.labeling_service_pb2_grpc import LabelingServiceStub
from nextlabel.v1.learner_service_pb2_grpc import LearnerServiceStub
from nextlabel.v1.pool_service_pb2_grpc import PoolServiceStub
from nextlabel.v1.project_service_pb2_grpc import ProjectServiceStub
from nextlabel.v1.quality_service_pb2_grpc import QualityServiceStub
from nextlabel.v1.report_service_pb2_grpc import ReportServiceStub
from nextlabel.v1.run_service_pb2_grpc import RunServiceStub
from nextlabel.v1.text_service_pb2_grpc import TextServiceStub
from tests.fake_anthropic import FakeAnthropic

DIMENSION = 4
CLASSES = ("cold", "warm")
_numbers = itertools.count()


def request_id() -> str:
    return str(uuid.uuid4())


def label(name: str) -> annotation_pb2.Answer:
    return annotation_pb2.Answer(single_label=annotation_pb2.SingleLabel(label=name))


def true_class(n: int) -> str:
    """The class of the n-th item: its embedding points the same way."""
    return CLASSES[n % 2]


def items(count: int, first: int = 0, split: pool_pb2.Split.ValueType = pool_pb2.SPLIT_POOL) -> list[pool_pb2.Item]:
    return [
        pool_pb2.Item(
            id=f"item-{n}",
            text=f"the text of number {n}",
            split=split,
            reference=None if split == pool_pb2.SPLIT_POOL else label(true_class(n)),
        )
        for n in range(first, first + count)
    ]


def matrix(count: int, first: int = 0) -> pool_pb2.EmbeddingMatrix:
    """Embeddings of which the first column tells the class, and the second the number."""
    numbers = np.arange(first, first + count)
    rows = np.zeros((count, DIMENSION), np.float16)
    rows[:, 0] = np.where(numbers % 2, 1.0, -1.0)
    rows[:, 1] = numbers / 1_000
    return pool_pb2.EmbeddingMatrix(dimension=DIMENSION, data_type=pool_pb2.DATA_TYPE_FLOAT16, data=rows.tobytes())


def batch(
    sequence: int, given: Sequence[pool_pb2.Item], embeddings: pool_pb2.EmbeddingMatrix | None = None
) -> pool_service_pb2.AddItemsRequest:
    embeddings = embeddings or matrix(len(given))
    content = pool_service_pb2.ItemBatch(sequence=sequence, items=given, embeddings=embeddings)
    return pool_service_pb2.AddItemsRequest(batch=content)


def header(project: str, upload: str, *, resume: bool = False) -> pool_service_pb2.AddItemsRequest:
    content = pool_service_pb2.AddItemsHeader(project=project, upload_id=upload, resume=resume)
    return pool_service_pb2.AddItemsRequest(header=content)


class Api:
    """Stubs of every service of one server."""

    def __init__(self, channel: grpc.Channel, address: str = "") -> None:
        self.channel = channel
        self.address = address
        self.projects = ProjectServiceStub(channel)
        self.pool = PoolServiceStub(channel)
        self.labeling = LabelingServiceStub(channel)
        self.learner = LearnerServiceStub(channel)
        self.runs = RunServiceStub(channel)
        self.budgets = BudgetServiceStub(channel)
        self.quality = QualityServiceStub(channel)
        self.reports = ReportServiceStub(channel)
        self.texts = TextServiceStub(channel)
        self.access = AccessServiceStub(channel)

    def project(self, **settings: Any) -> str:
        """Create a project of two classes with given embeddings and return its name."""
        name = f"project-{next(_numbers)}"
        project = project_service_pb2.Project(
            name=name,
            annotation_type=annotation_pb2.ANNOTATION_TYPE_SINGLE_LABEL,
            label_space=label_space(*CLASSES),
            embedding=GIVEN,
            **settings,
        )
        self.projects.CreateProject(project_service_pb2.CreateProjectRequest(project=project))
        return name

    def filled(self, count: int = 40, holdout: int = 0, **settings: Any) -> str:
        """Create a project, put items in, and return its name."""
        name = self.project(**settings)
        requests = [header(name, request_id()), batch(1, items(count))]
        if holdout:
            evaluating = items(holdout, first=count, split=pool_pb2.SPLIT_HOLDOUT)
            requests.append(batch(2, evaluating, matrix(holdout, first=count)))
        list(self.pool.AddItems(iter(requests)))
        return name

    def upload_truth(self, project: str, count: int) -> None:
        """Store the true labels of the first items as the label set `truth`."""
        labels = [
            labeling_service_pb2.ReplayLabel(item_id=f"item-{n}", answer=label(true_class(n))) for n in range(count)
        ]
        header_ = labeling_service_pb2.ReplayLabelsHeader(project=project, label_set="truth")
        content = labeling_service_pb2.ReplayLabelBatch(labels=labels)
        requests = [
            labeling_service_pb2.UploadReplayLabelsRequest(header=header_),
            labeling_service_pb2.UploadReplayLabelsRequest(batch=content),
        ]
        self.labeling.UploadReplayLabels(iter(requests))

    def submit(self, project: str, annotator: str, numbers: Iterable[int]) -> list[labeling_service_pb2.SubmitResult]:
        """Answer some items truly, without a lease."""
        request = labeling_service_pb2.SubmitAnnotationsRequest(
            project=project,
            annotator=annotator,
            annotations=[
                labeling_service_pb2.SubmittedAnnotation(item_id=f"item-{n}", answer=label(true_class(n)))
                for n in numbers
            ],
        )
        return list(self.labeling.SubmitAnnotations(request).results)


GIVEN = project_service_pb2.EmbeddingSettings(source=project_service_pb2.EMBEDDING_SOURCE_GIVEN, dimension=DIMENSION)


def label_space(*names: str) -> project_service_pb2.LabelSpace:
    return project_service_pb2.LabelSpace(classes=[project_service_pb2.LabelClass(name=name) for name in names])


def refusal(call: Callable[[], Any]) -> tuple[grpc.StatusCode, list[str]]:
    """Return the code of a failing call and the fields that its details name."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    status = rpc_status.from_call(cast("grpc.Call", raised.value))
    assert status is not None
    fields = []
    for packed in status.details:
        bad = error_details_pb2.BadRequest()
        if packed.Unpack(bad):
            fields = [violation.field for violation in bad.field_violations]
    return grpc.StatusCode[code_pb2.Code.Name(status.code)], fields


@contextmanager
def serving(data_dir: Path, llm: FakeAnthropic | None = None) -> Iterator[Api]:
    """Serve on an event loop of its own in a thread, with `llm` as the Anthropic API."""
    started: Future[int] = Future()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        settings: dict[str, Any] = {
            "data_dir": data_dir,
            "bind": "127.0.0.1:0",
            "compute": {"threads": 2},
            "api": {"drain_s": 0.1},
        }
        try:
            async with AsyncExitStack() as stack:
                if llm is not None:
                    await stack.enter_async_context(llm)
                    settings["annotators"] = {"anthropic": {"api_key": "test-key", "base_url": llm.url}}
                started.set_result(await stack.enter_async_context(running(load_settings(settings))))
                await stop.wait()
        except Exception as error:
            if not started.done():
                started.set_exception(error)
            raise

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    address = f"127.0.0.1:{started.result()}"
    with grpc.insecure_channel(address) as channel:
        yield Api(channel, address)
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server for all tests."""
    with serving(tmp_path_factory.mktemp("data")) as served:
        yield served
