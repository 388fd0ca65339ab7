"""Texts that an LLM writes."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from nextlabel.client.transport.calls import Mode, Scope, Service, project_call
from nextlabel.client.transport.connection import LONG_CALL_S
from nextlabel.v1 import synthesis_service_pb2 as pb
from nextlabel.v1.annotation_pb2 import Cost
from nextlabel.v1.run_service_pb2 import AnnotatorSpec
from nextlabel.v1.synthesis_service_pb2_grpc import SynthesisServiceStub

if TYPE_CHECKING:
    from nextlabel.v1.synthesis_service_pb2_grpc import SynthesisServiceAsyncStub


class Synthesis(Service[Mode, Scope]):
    """Has texts written."""

    @cached_property
    def _stub(self) -> "SynthesisServiceAsyncStub":
        return SynthesisServiceStub(self._connection.channel)

    @project_call
    async def synthesize(
        self,
        project: str,
        label: str | Sequence[str] = "",
        *,
        count: int,
        annotator: AnnotatorSpec,
        boundary: str = "",
        score: float | None = None,
        rare: bool = False,
        metadata: Mapping[str, str] | None = None,
        attributes: Sequence[str] = (),
        limit: Cost | None = None,
        timeout_s: float = LONG_CALL_S,
    ) -> pb.SynthesizeResponse:
        """Have an LLM write `count` (at most 200) texts of a class, each judged, and measure whether they help.

        Where several classes may apply, `label` may be several; in a project of scores leave it out and give the
        `score` that texts are to deserve; in one of texts leave out both: instructions are written, with answers.
        `boundary` is a class that the texts could be mistaken for, `rare` asks for such as the learner is least
        sure of, `metadata` for such as the items with these values, and `attributes` say what they are to be like,
        one for each call of the model. Nothing is added to the project: the texts are returned. The same call again
        finds what an earlier one has paid for.

        Raises NextlabelError: FAILED_PRECONDITION without a trained model to judge by, RESOURCE_EXHAUSTED when `limit`
        or a budget does not allow a single call.
        """
        request = pb.SynthesizeRequest(
            project=project,
            label=label if isinstance(label, str) else "",
            labels=() if isinstance(label, str) else label,
            score=score,
            boundary=boundary,
            rare=rare,
            metadata=[pb.FieldValue(field=field, value=value) for field, value in (metadata or {}).items()],
            attributes=attributes,
            count=count,
            annotator=annotator,
            limit=limit,
        )
        return await self._connection.unary(self._stub.Synthesize, request, timeout_s=timeout_s)
