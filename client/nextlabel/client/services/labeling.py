"""Query batches, leases, annotations and their consensus."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp

from nextlabel.client.literals import ExportFormName, FilteredName, OutcomeName
from nextlabel.client.messages.answers import encode_answer
from nextlabel.client.messages.chunks import chunks
from nextlabel.client.messages.enums import enum_value
from nextlabel.client.messages.names import several, several_texts, text_of
from nextlabel.client.messages.settings import duration, strategy_spec
from nextlabel.client.transport.calls import Mode, Scope, Service, project_call, project_stream
from nextlabel.client.transport.connection import LONG_CALL_S
from nextlabel.v1 import labeling_service_pb2 as pb
from nextlabel.v1.annotation_pb2 import Annotation, Consensus, Outcome
from nextlabel.v1.labeling_service_pb2_grpc import LabelingServiceStub

if TYPE_CHECKING:
    from nextlabel.v1.labeling_service_pb2_grpc import LabelingServiceAsyncStub

Answers = Mapping[str, Any] | Iterable[pb.SubmittedAnnotation]
"""Answers by item id, or messages for whoever has a rationale, a confidence or a duration to add."""


class Labeling(Service[Mode, Scope]):
    """Picks items, gives them to annotators and takes their answers."""

    @cached_property
    def _stub(self) -> "LabelingServiceAsyncStub":
        return LabelingServiceStub(self._connection.channel)

    @project_call
    async def select(
        self,
        project: str,
        count: int,
        *,
        strategy: str = "",
        strategy_params: Mapping[str, Any] | None = None,
        audit_share: float | None = None,
        seed: int = 0,
        timeout_s: float = LONG_CALL_S,
    ) -> pb.SelectBatchResponse:
        """Run a strategy now and return its picks, best first, without leasing them.

        `count` is at most 10,000. The same seed, model, pool and settings give the same picks.
        """
        request = pb.SelectBatchRequest(
            project=project,
            count=count,
            strategy=strategy_spec(strategy, strategy_params),
            audit_share=audit_share,
            seed=seed,
        )
        return await self._connection.unary(self._stub.SelectBatch, request, timeout_s=timeout_s)

    @project_call
    async def lease(
        self,
        project: str,
        *,
        annotator: str,
        count: int,
        ttl_s: float | None = None,
        review: bool = False,
        show_answers: bool = False,
        unlabeled: int = 0,
        audit: bool = False,
        timeout_s: float = LONG_CALL_S,
    ) -> pb.Lease:
        """Give an annotator up to `count` (at most 1,000) items to answer.

        Picks a new query batch when nothing is open. A lease without items, and without an id, means that there
        is nothing for this annotator to answer. With `review` they are answered ones that are worth another look,
        as `quality.review` lists them; `show_answers` tells in `doubted` what label each has and who answered what,
        and up to `unlabeled` items without a label compete with them by what a look is expected to gain. With `audit`
        they are uniform draws that no person has labeled, whatever others answered: what `quality.accuracy` rests on.
        """
        request = pb.LeaseItemsRequest(
            project=project,
            annotator=annotator,
            count=count,
            ttl=duration(ttl_s),
            review=review,
            show_answers=show_answers,
            unlabeled=unlabeled,
            audit=audit,
        )
        return (await self._connection.unary(self._stub.LeaseItems, request, timeout_s=timeout_s)).lease

    @project_call
    async def extend(self, project: str, lease_id: str, *, ttl_s: float | None = None) -> Timestamp:
        """Move the expiry of a lease to `ttl_s` seconds from now; returns it."""
        request = pb.ExtendLeaseRequest(project=project, lease_id=lease_id, ttl=duration(ttl_s))
        return (await self._connection.unary(self._stub.ExtendLease, request)).expire_time

    @project_call
    async def release(self, project: str, lease_id: str) -> int:
        """Give the unanswered items of a lease back; returns how many."""
        request = pb.ReleaseLeaseRequest(project=project, lease_id=lease_id)
        return (await self._connection.unary(self._stub.ReleaseLease, request)).released

    @project_call
    async def submit(
        self,
        project: str,
        answers: Answers,
        *,
        annotator: str,
        lease_id: str = "",
        critiques: Mapping[str, Mapping[str, str]] | None = None,
    ) -> list[pb.SubmitResult]:
        """Store answers; each is accepted or refused for itself, the results say which.

        Another answer of an annotator to the same item corrects the one before and costs no second label.

        `answers` maps item ids to a class name, several of them, a number or a text, as the project asks for. A
        dict without a lease goes over as several calls when it has more than 1,000 answers. `critiques` of a dict map
        item ids to texts that others wrote of them, each with what is wrong with it: `{"i17": {"Hi!": "Too short."}}`.
        """
        if critiques and not isinstance(answers, Mapping):
            raise ValueError("critiques go with answers by item id; messages have a field for their own")
        if isinstance(answers, Mapping):
            annotation_type = await self._connection.annotation_type(project)
            said = {
                item_id: [pb.TextCritique(text=text, critique=critique) for text, critique in of_item.items()]
                for item_id, of_item in (critiques or {}).items()
            }
            answers = [
                pb.SubmittedAnnotation(
                    item_id=text_of(item_id, "item_id"),
                    answer=encode_answer(answer, annotation_type),
                    critiques=said.get(item_id),
                )
                for item_id, answer in answers.items()
            ]
        return await self._submitted(project, several(answers, "answers"), annotator, lease_id)

    @project_call
    async def skip(
        self, project: str, item_ids: Iterable[str], *, annotator: str, lease_id: str = ""
    ) -> list[pb.SubmitResult]:
        """Pass items on to others: they are not offered to this annotator again."""
        skipped = [
            pb.SubmittedAnnotation(item_id=item_id, skip=True) for item_id in several_texts(item_ids, "item_ids")
        ]
        return await self._submitted(project, skipped, annotator, lease_id)

    @project_call
    async def criticise(
        self, project: str, critiques: Mapping[str, Mapping[str, str]], *, annotator: str
    ) -> list[pb.SubmitResult]:
        """Say what is wrong with texts that others wrote, for somebody else to write them anew.

        `critiques` map item ids to texts, each with what is wrong with it, up to 10 an item; they stand instead of
        those that this annotator gave before. What it wrote itself stays as it is.
        """
        said = [
            pb.SubmittedAnnotation(
                item_id=text_of(item_id, "item_id"),
                skip=True,
                critiques=[pb.TextCritique(text=text, critique=critique) for text, critique in of_item.items()],
            )
            for item_id, of_item in critiques.items()
        ]
        return await self._submitted(project, said, annotator, "")

    async def _submitted(
        self, project: str, answers: Iterable[pb.SubmittedAnnotation], annotator: str, lease_id: str
    ) -> list[pb.SubmitResult]:
        results: list[pb.SubmitResult] = []
        for chunk in chunks(answers, pb.SubmittedAnnotation.ByteSize):
            request = pb.SubmitAnnotationsRequest(
                project=project, annotator=annotator, lease_id=lease_id, annotations=chunk
            )
            results += (await self._connection.unary(self._stub.SubmitAnnotations, request)).results
        return results

    @project_stream
    async def annotations(
        self,
        project: str,
        *,
        item_id: str = "",
        annotator: str = "",
        run: str = "",
        outcome: OutcomeName | None = None,
        page_size: int = 1_000,
    ) -> AsyncIterator[Sequence[Annotation]]:
        """The annotations, oldest first; only those of an item, annotator, run or outcome when given.

        `outcome` is label, candidates, refused, truncated, invalid, failed or skipped.
        """
        request = pb.ListAnnotationsRequest(
            project=project, item_id=item_id, annotator=annotator, run=run, page_size=page_size
        )
        if outcome is not None:
            request.outcome = enum_value(Outcome, outcome, "outcome")
        pages = self._connection.pages(self._stub.ListAnnotations, request, lambda page: page.annotations)
        async for page in pages:
            yield page

    @project_call
    async def consensus(self, project: str, item_id: str) -> Consensus | None:
        """What the annotations of an item add up to; None when it has no usable one."""
        request = pb.GetConsensusRequest(project=project, item_id=item_id)
        response = await self._connection.unary(self._stub.GetConsensus, request)
        return response.consensus if response.HasField("consensus") else None

    @project_stream
    async def list_consensus(self, project: str, *, page_size: int = 1_000) -> AsyncIterator[Sequence[Consensus]]:
        """The consensus of every annotated item."""
        request = pb.ListConsensusRequest(project=project, page_size=page_size)
        pages = self._connection.pages(self._stub.ListConsensus, request, lambda page: page.consensus)
        async for page in pages:
            yield page

    @project_call
    async def upload_replay_labels(
        self,
        project: str,
        label_set: str,
        labels: Mapping[str, Any] | Iterable[tuple[str, Any]],
        *,
        timeout_s: float = LONG_CALL_S,
    ) -> pb.UploadReplayLabelsResponse:
        """Store known labels, by item id, that a replay annotator can answer from.

        Extends the set of this name. Sending the same labels again changes nothing.
        """
        annotation_type = await self._connection.annotation_type(project)
        pairs = labels.items() if isinstance(labels, Mapping) else labels

        def requests() -> Iterator[pb.UploadReplayLabelsRequest]:
            yield pb.UploadReplayLabelsRequest(header=pb.ReplayLabelsHeader(project=project, label_set=label_set))
            known = (
                pb.ReplayLabel(item_id=text_of(item_id, "item_id"), answer=encode_answer(answer, annotation_type))
                for item_id, answer in pairs
            )
            for chunk in chunks(known, pb.ReplayLabel.ByteSize):
                yield pb.UploadReplayLabelsRequest(batch=pb.ReplayLabelBatch(labels=chunk))

        return await self._connection.client_stream(self._stub.UploadReplayLabels, requests(), timeout_s=timeout_s)

    @project_stream
    async def export(
        self,
        project: str,
        *,
        form: ExportFormName = "records",
        run: str = "",
        trusted_only: bool = False,
        filtered: FilteredName = "drop",
        judged_by: str = "",
    ) -> AsyncIterator[Sequence[bytes]]:
        """The annotations as JSON Lines in UTF-8, some whole lines at a time.

        `form` is records (each annotation with its provenance) or data that LLMs are tuned on: sft (conversations),
        dpo and reward (a better and a worse answer), or rationale (answers and the reasons for them); advice is what
        runs keep as advice instead of labels, in the columns of records. Of items whose
        label enabled filters leave out there are no lines; with `filtered` mark every line has `filtered_by`.
        `judged_by` names the project in which candidate texts are judged: sft is then about the best text of each item,
        and dpo and reward set it against each that was found worse.
        """
        request = pb.ExportAnnotationsRequest(
            project=project,
            format=enum_value(pb.ExportFormat, form, "form"),
            run=run,
            trusted_only=trusted_only,
            filtered=enum_value(pb.FilterEffect, filtered, "filtered"),
            judged_by=judged_by,
        )
        async with self._connection.responses(self._stub.ExportAnnotations, request) as responses:
            async for response in responses:
                yield [response.lines]

    @project_stream
    async def annotators(self, project: str) -> AsyncIterator[Sequence[pb.Annotator]]:
        """The annotators that have annotated in the project, by name."""
        request = pb.ListAnnotatorsRequest(project=project)
        pages = self._connection.pages(self._stub.ListAnnotators, request, lambda page: page.annotators)
        async for page in pages:
            yield page
