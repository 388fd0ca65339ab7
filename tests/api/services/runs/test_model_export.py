"""An exported model predicts elsewhere what the service predicts here, and says what it is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import grpc
import numpy as np
import onnxruntime
import pytest

from nextlabel.server.api.reading import model_export
from nextlabel.server.api.reading.model_export import ModelExport
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.embedding.encoders import Encoders
from nextlabel.server.learners.multi_label.model import MultiLabelModel
from nextlabel.server.learners.portable import encoder_files
from nextlabel.server.learners.portable.encoder_files import EncoderFiles
from nextlabel.v1 import learner_service_pb2 as pb
from tests.api.services.conftest import CLASSES, DIMENSION, Api, matrix, refusal
from tests.domain.service import CLASSES as DIRECTIONS
from tests.domain.service import Service


def exported(api: Api, project: str, version: int = 0) -> tuple[pb.ExportedModel, dict[int, bytes]]:
    first, *parts = list(api.learner.ExportModel(pb.ExportModelRequest(project=project, version=version)))
    files: dict[int, bytes] = {}
    for one in parts:
        files[one.part.file] = files.get(one.part.file, b"") + one.part.content
    return first.model, files


@pytest.fixture(scope="module")
def trained(api: Api) -> str:
    project = api.filled(40)
    for count in (4, 20):
        api.submit(project, "ann", range(count - 4, count))
        api.learner.Train(pb.TrainRequest(project=project))
    return project


def test_the_file_gives_the_probabilities_of_the_service(api: Api, trained: str) -> None:
    model, files = exported(api, trained)
    assert (model.model_version.version, [*model.classes], model.embedding_dimension) == (2, [*CLASSES], DIMENSION)
    assert (model.embedding_model, [*model.thresholds], [*files]) == ("", [], [pb.MODEL_FILE_HEAD])
    request = pb.PredictRequest(project=trained, candidate_count=2, input=pb.PredictionInput(embeddings=matrix(40)))
    embeddings = np.frombuffer(matrix(40).data, np.float16).reshape(-1, DIMENSION).astype(np.float32)
    session = onnxruntime.InferenceSession(files[pb.MODEL_FILE_HEAD])
    found = session.run(None, {"embeddings": embeddings})[0]
    for row, prediction in zip(found, api.learner.Predict(request).predictions, strict=True):
        expected = {candidate.label: candidate.probability for candidate in prediction.candidates}
        np.testing.assert_allclose(row, [expected[name] for name in model.classes], rtol=0, atol=1e-5)


def test_an_older_version_is_another_file(api: Api, trained: str) -> None:
    model, files = exported(api, trained, version=1)
    assert model.model_version.labels == 4
    assert files != exported(api, trained)[1]


def test_no_model_and_no_such_version_say_so(api: Api, trained: str) -> None:
    assert refusal(lambda: exported(api, api.filled(4)))[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert refusal(lambda: exported(api, trained, version=9))[0] is grpc.StatusCode.NOT_FOUND


def test_a_server_without_the_packages_names_the_command(
    api: Api, trained: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_files, "NEEDED", ("not_installed_anywhere",))
    with pytest.raises(grpc.RpcError, match=r"pip install 'nextlabel\[onnx\]'") as raised:
        exported(api, trained)
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION


WRITES = """
import sys, pathlib
for name, text in (("encoder.onnx", "0123456789"), ("tokenizer.json", "{}"), ("encoder.json", '{"prefix": "q: "}')):
    (pathlib.Path(sys.argv[2]) / name).write_text(text)
"""
FAILS = "import sys; print('it is too large', end=''); sys.exit(3)"


class _Named:
    """An embedder that only has a name."""

    dimension = DIMENSION
    fingerprint = "0123456789abcdef"

    def __init__(self, name: str) -> None:
        self.name = name

    def embed(self, texts: Sequence[str], *, urgent: bool = False) -> np.ndarray:
        raise AssertionError(f"asked to embed {texts}")


async def of_encoder(folder: Path, program: str, model: str = "mini") -> list[pb.ExportModelResponse]:
    """The messages for a project whose texts are embedded by `mini`, on a server that has this model."""
    service = Service(folder)
    project = await service.create(embedding_model="mini")
    await service.add(project, ["a", "b", "c"])
    await service.label(project, dict(zip("abc", DIRECTIONS, strict=True)))
    learning, workers = service.parts.learning.learning, service.parts.base.workers
    await learning.train(project)
    encoder = EncoderFiles(["other", model], folder / "encoders", [sys.executable, "-S", "-c", program])
    service.parts.pool.embedding.encoders = Encoders([_Named(model)])
    export = ModelExport(learning, service.parts.pool.embedding, encoder, workers.compute, workers.disk)
    found = [message async for message in export.messages(project, 0, without_encoder=False)]
    await service.close()
    return found


async def test_the_encoder_comes_in_parts_of_a_message_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_export, "PAGE_BYTES", 4)
    first, *parts = await of_encoder(tmp_path, WRITES)
    assert (first.model.embedding_model, first.model.text_prefix, first.model.encoder_problem) == ("mini", "q: ", "")
    assert [one.part.content for one in parts if one.part.file == pb.MODEL_FILE_ENCODER] == [b"0123", b"4567", b"89"]
    assert [one.part.content for one in parts if one.part.file == pb.MODEL_FILE_TOKENIZER] == [b"{}"]


@pytest.mark.parametrize(("model", "problem"), [("mini", "it is too large"), ("maxi", "embedded by 'mini'")])
async def test_why_there_is_no_encoder_is_said(tmp_path: Path, model: str, problem: str) -> None:
    first, *parts = await of_encoder(tmp_path, FAILS, model)
    assert problem in first.model.encoder_problem
    assert {one.part.file for one in parts} == {pb.MODEL_FILE_HEAD}


async def test_weights_written_over_beneath_the_server_are_not_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_export, "weights_here", lambda name: "feed")
    first, *parts = await of_encoder(tmp_path, WRITES)
    assert "'mini' have changed on disk since the server began" in first.model.encoder_problem
    assert {one.part.file for one in parts} == {pb.MODEL_FILE_HEAD}


def test_classes_are_given_above_their_thresholds() -> None:
    logits = np.linspace(-2, 2, 9, dtype=np.float32)[:, None]
    head = TrainedHead(np.eye(1, dtype=np.float32), np.zeros(1, np.float32))
    model = MultiLabelModel(("a",), None, head, np.array([0.5], np.float32), None)  # type: ignore[arg-type]
    thresholds = np.array(model_export.thresholds(model), np.float32)
    probabilities = model.predict_proba(logits)
    np.testing.assert_array_equal(probabilities > thresholds, model.given(probabilities))
