"""A server that starts again with another embedding model: nothing is embedded by two, and users are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from nextlabel.v1 import annotation_pb2, pool_pb2, project_service_pb2
from nextlabel.v1 import pool_service_pb2 as pb
from tests.api.services.conftest import Api, header, label_space, request_id, serving

NAME, LEFT = "embedded", "left"
DIMENSION_OF_MINILM = 384
PROJECT = project_service_pb2.Project(
    name=NAME,
    annotation_type=annotation_pb2.ANNOTATION_TYPE_SINGLE_LABEL,
    label_space=label_space("a", "b"),
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that says as much of a model as is read without loading it."""
    folder = tmp_path_factory.mktemp("models") / "small"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "modules.json").write_text('[{"type": "models.Pooling", "path": "1_Pooling"}]')
    (folder / "1_Pooling" / "config.json").write_text('{"embedding_dimension": 24, "pooling_mode": "mean"}')
    return folder


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, small: Path) -> Iterator[Api]:
    data = tmp_path_factory.mktemp("data")
    with serving(data) as before:
        for name in (NAME, LEFT):
            asked = project_service_pb2.Project(name=name)
            asked.MergeFrom(PROJECT)
            asked.name = name
            made = before.projects.CreateProject(project_service_pb2.CreateProjectRequest(project=asked)).project
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NEXTLABEL_EMBEDDING__MODEL", f"{made.embedding.model}-of-another-kind")
        environment.setenv("NEXTLABEL_EMBEDDING__MODELS", f'["{small}"]')
        with serving(data) as after:
            yield after


def add(api: Api, embeddings: pool_pb2.EmbeddingMatrix | None = None) -> int:
    batch = pb.ItemBatch(sequence=1, items=[pool_pb2.Item(id="new", text="a new text")], embeddings=embeddings)
    *_, last = api.pool.AddItems(iter([header(NAME, request_id()), pb.AddItemsRequest(batch=batch)]))
    return last.accepted


def test_texts_are_refused_and_embeddings_are_taken(api: Api) -> None:
    embed = pb.EmbedRequest(project=NAME, texts=["a"])
    for call in (lambda: add(api), lambda: list(api.pool.Embed(iter([embed])))):
        with pytest.raises(grpc.RpcError, match=r"embedded by 'all-MiniLM-L6-v2'.*-of-another-kind"):
            call()
    row = np.eye(1, DIMENSION_OF_MINILM, dtype=np.float16)
    given = pool_pb2.EmbeddingMatrix(
        dimension=DIMENSION_OF_MINILM, data_type=pool_pb2.DATA_TYPE_FLOAT16, data=row.tobytes()
    )
    assert add(api, given) == 1


def test_a_model_that_is_there_takes_over(api: Api, small: Path) -> None:
    def ask(**fields: object) -> project_service_pb2.ReEmbedding:
        request = project_service_pb2.ReEmbedProjectRequest(project=LEFT, request_id=request_id(), **fields)  # type: ignore[arg-type]
        return api.projects.ReEmbedProject(request).re_embedding

    for wrong, said in (({"model": "another"}, "or 'small'; have"), ({"cancel": True}, "no other model")):
        with pytest.raises(grpc.RpcError, match=said):
            ask(**wrong)
    asked = ask(model="small")
    assert (asked.model, asked.dimension, asked.embedded, asked.items) == (str(small), 24, 0, 0)
    for sent in api.pool.WatchPool(pb.WatchPoolRequest(project=LEFT), timeout=30):
        if sent.status.embedding_model == str(small):
            break
    found = api.projects.GetProject(project_service_pb2.GetProjectRequest(project=LEFT)).project
    assert (found.embedding.dimension, found.HasField("re_embedding")) == (24, False)


def create(api: Api, model: str) -> project_service_pb2.EmbeddingSettings:
    asked = project_service_pb2.Project()
    asked.MergeFrom(PROJECT)
    asked.name, asked.embedding.model = "chosen", model
    return api.projects.CreateProject(project_service_pb2.CreateProjectRequest(project=asked)).project.embedding


def test_a_project_has_a_model_that_the_operator_allows(api: Api, small: Path) -> None:
    for name in ("/some/folder", "another"):
        with pytest.raises(grpc.RpcError, match=r"embeds with 'all-MiniLM-L6-v2-of-another-kind' or 'small'; leave"):
            create(api, name)
    made = create(api, "small")
    assert (made.model, made.dimension) == (str(small), 24)
