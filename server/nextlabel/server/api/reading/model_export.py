"""A model version as messages: what it is, then its files in parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.special import expit

from nextlabel.server.api.messages.models import model_version_message
from nextlabel.server.api.messages.values import PAGE_BYTES
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.learners.embedding.embedder import hub_revision, weights_here, written_over
from nextlabel.server.learners.embedding.weights import differ
from nextlabel.server.learners.multi_label.model import MultiLabelModel
from nextlabel.server.learners.persistence import TrainedModel
from nextlabel.server.learners.portable.encoder_files import EncoderFiles, PortableEncoder, check_installed
from nextlabel.server.learners.portable.heads import head_file
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import learner_service_pb2 as pb

Messages = AsyncIterator[pb.ExportModelResponse]


@dataclass(frozen=True, slots=True)
class ModelExport:
    """Exports models. Memory holds the head of one model and one part of the encoder's files at a time."""

    learning: Learning
    embedding: Embedding
    encoder: EncoderFiles
    compute: Executor
    disk: Executor

    async def messages(self, project: Project, version: int, *, without_encoder: bool) -> Messages:
        """Yield a model version; the newest for version 0.

        Raises:
            FailedPrecondition: there is no model, it has no form in ONNX, or what writes it is not installed.
            NotFound: there is no such version.
        """
        check_installed()
        found, model = await self.learning.model(project, version)
        head = await self.compute.run(lambda: head_file(model, project.embedding_dimension))
        about = _about(project, model)
        about.model_version.CopyFrom(model_version_message(found, project))
        encoder = None
        if project.embedding_model and not without_encoder:
            try:
                encoder = await self._encoder(project)
                about.text_prefix = encoder.prefix
            except FailedPrecondition as error:
                about.encoder_problem = error.message
        yield pb.ExportModelResponse(model=about)
        for part in _cut(head):
            yield _part(pb.MODEL_FILE_HEAD, part)
        if encoder is not None:
            for file, path in ((pb.MODEL_FILE_ENCODER, encoder.graph), (pb.MODEL_FILE_TOKENIZER, encoder.tokenizer)):
                async for message in self._file(file, path):
                    yield message

    async def _encoder(self, project: Project) -> PortableEncoder:
        embedder = await self.embedding.embedder(project)
        # The files are written from what is on disk, and texts embedded by what was there when the server began.
        if differ(await self.embedding.weights(embedder), await self.disk.run(lambda: weights_here(embedder.name))):
            raise written_over(embedder.name)
        return await self.encoder.made(embedder.name)

    async def _file(self, file: pb.ModelFile.ValueType, path: Path) -> Messages:
        with await self.disk.run(lambda: path.open("rb")) as content:
            while part := await self.disk.run(lambda: content.read(PAGE_BYTES)):
                yield _part(file, part)


def _about(project: Project, model: TrainedModel) -> pb.ExportedModel:
    return pb.ExportedModel(
        classes=model.classes,
        thresholds=thresholds(model),
        embedding_dimension=project.embedding_dimension,
        embedding_model=project.embedding_model,
        embedding_revision=hub_revision(project.embedding_model) if project.embedding_model else "",
        embedding_fingerprint=project.embedding_fingerprint,
    )


def thresholds(model: TrainedModel) -> Sequence[float]:
    """Return the probability above which each class is given; nothing where one class applies."""
    return expit(model.cuts_C).tolist() if isinstance(model, MultiLabelModel) else ()


def _cut(content: bytes) -> Iterator[bytes]:
    return (content[first : first + PAGE_BYTES] for first in range(0, len(content), PAGE_BYTES))


def _part(file: pb.ModelFile.ValueType, content: bytes) -> pb.ExportModelResponse:
    return pb.ExportModelResponse(part=pb.ModelFilePart(file=file, content=content))
