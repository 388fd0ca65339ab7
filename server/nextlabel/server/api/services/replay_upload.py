"""Takes labels that were known beforehand, for replay annotators."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.tasks.label_space import unknown_label
from nextlabel.server.values.class_names import composed
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.projects import Project
from nextlabel.v1 import labeling_service_pb2 as pb

_MAX_BATCH = 10_000
_SHOWN_ERRORS = 100


@dataclass(frozen=True, slots=True)
class ReplayUpload:
    """Stores streams of known labels. A stream that is cut off can be sent again from its beginning."""

    store: StateStore
    limits: Limits

    async def take(
        self, project: Project, label_set: str, requests: AsyncIterator[pb.UploadReplayLabelsRequest]
    ) -> pb.UploadReplayLabelsResponse:
        """Store all labels that are valid and count the others.

        Raises:
            InvalidArgument: the set has no usable name, or a message is not a batch.
        """
        if not label_set or not label_set.isprintable() or len(label_set.encode()) > self.limits.class_name_bytes:
            raise InvalidArgument.field(
                "header.label_set", f"give a name of 1 to {self.limits.class_name_bytes} printable characters"
            )
        response = pb.UploadReplayLabelsResponse()
        first = 0
        async for request in requests:
            labels = request.batch.labels
            if not request.HasField("batch") or len(labels) > _MAX_BATCH:
                raise InvalidArgument.field("batch", f"must hold at most {_MAX_BATCH} labels, in every further message")
            await self._take_batch(project, label_set, labels, first, response)
            first += len(labels)
        return response

    async def _take_batch(
        self,
        project: Project,
        label_set: str,
        labels: Sequence[pb.ReplayLabel],
        first: int,
        response: pb.UploadReplayLabelsResponse,
    ) -> None:
        valid: dict[str, str] = {}
        for index, entry in enumerate(labels, start=first):
            problem = self._problem(project, entry)
            if not problem:
                valid[entry.item_id] = composed(entry.answer.single_label.label)
                continue
            response.rejected += 1
            if len(response.errors) < _SHOWN_ERRORS:
                response.errors.add(index=index, item_id=entry.item_id[:256], message=problem)

        def work(tx: Transaction) -> int:
            present = tx.pool.replay_labels(project.id, label_set, list(valid))
            new = [(item_id, label) for item_id, label in valid.items() if present.get(item_id) != label]
            tx.pool.put_replay_labels(project.id, label_set, new)
            return len(new)

        accepted = await self.store.write(work) if valid else 0
        response.accepted += accepted
        response.duplicates += len(valid) - accepted

    def _problem(self, project: Project, entry: pb.ReplayLabel) -> str:
        if not entry.item_id or len(entry.item_id.encode()) > self.limits.item_id_bytes:
            return f"item_id: must be 1 to {self.limits.item_id_bytes} bytes of UTF-8"
        if entry.answer.WhichOneof("body") != "single_label":
            return "answer: must be a single label"
        label = composed(entry.answer.single_label.label)
        return "" if label in project.class_names else f"answer: {unknown_label(label, project)}"
