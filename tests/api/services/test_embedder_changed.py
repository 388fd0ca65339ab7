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

NAME = "embedded"
DIMENSION_OF_MINILM = 384
PROJECT = project_service_pb2.Project(
    name=NAME,
    annotation_type=annotation_pb2.ANNOTATION_TYPE_SINGLE_LABEL,
    label_space=label_space("a", "b"),
)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    with serving(tmp_path) as before:
        made = before.projects.CreateProject(project_service_pb2.CreateProjectRequest(project=PROJECT)).project
    monkeypatch.setenv("NEXTLABEL_EMBEDDING__MODEL", f"{made.embedding.model}-of-another-kind")
    with serving(tmp_path) as after:
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
