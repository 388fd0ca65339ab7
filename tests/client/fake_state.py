"""What the fake server knows and how it fails."""

import threading
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from nextlabel.v1 import access_service_pb2 as access
from nextlabel.v1 import annotation_pb2 as annotation
from nextlabel.v1 import budget_service_pb2 as budget
from nextlabel.v1 import learner_service_pb2 as learner
from nextlabel.v1 import pool_pb2, project_service_pb2
from nextlabel.v1 import pool_service_pb2 as pool
from nextlabel.v1 import run_service_pb2 as run


def rich_status(code: grpc.StatusCode, message: str, *details: Message) -> Any:
    """The status that the real server's boundary sends."""
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        status.details.add().Pack(detail)
    return rpc_status.to_status(status)


def error_info(reason: str) -> Any:
    return error_details_pb2.ErrorInfo(reason=reason, domain="nextlabel")


async def abort(context: Any, code: grpc.StatusCode, message: str, reason: str, *details: Message) -> None:
    await context.abort_with_status(rich_status(code, message, error_info(reason), *details))


async def refuse_long(context: Any, field: str, texts: Sequence[str], most: int) -> None:
    """Abort a call with the first text of a message that is too long, as the service names it."""
    for i, text in enumerate(texts):
        if len(text) > most:
            wrong = error_details_pb2.BadRequest.FieldViolation(
                field=f"{field}[{i}]", description=f"at most {most} bytes of UTF-8"
            )
            details = error_details_pb2.BadRequest(field_violations=[wrong])
            message = f"{wrong.field}: {wrong.description}"
            await abort(context, grpc.StatusCode.INVALID_ARGUMENT, message, "INVALID_ARGUMENT", details)


class State:
    """What the fake remembers and how it misbehaves; tests read and set it directly."""

    def __init__(self) -> None:
        self.projects: dict[str, project_service_pb2.Project] = {}
        self.guidelines: dict[str, list[project_service_pb2.Guidelines]] = defaultdict(list)
        self.items: dict[str, dict[str, pool_pb2.Item]] = defaultdict(dict)
        self.embeddings: dict[str, list[pool_pb2.EmbeddingMatrix]] = defaultdict(list)
        self.uploads: dict[str, pool.Upload] = {}
        self.replay: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        self.annotations: dict[str, list[annotation.Annotation]] = defaultdict(list)
        self.runs: dict[str, run.Run] = {}
        self.run_specs: list[run.RunSpec] = []
        self.holdout = True
        self.run_end: run.StopReason.ValueType = run.STOP_REASON_BUDGET
        self.budgets: dict[tuple[str, str, int], budget.Budget] = {}
        self.closed_reservations: dict[str, bool] = {}
        self.tokens: dict[str, access.Token] = {}
        self.model_versions: list[learner.ModelVersion] = []
        self.export_requests: list[learner.ExportModelRequest] = []
        self.exported: list[learner.ExportModelResponse] = []
        self.longest_text = 1_000_000
        self.calls: Counter[str] = Counter()
        self.request_ids: list[str] = []
        self.consensus: dict[str, annotation.Consensus] = {}
        self.kinds: dict[str, Any] = {}
        self.needs: dict[str, pool_pb2.ItemNeed] = {}
        self.released: list[str] = []
        self.skipped: list[tuple[str, str]] = []
        self.metadata: list[dict[str, str]] = []
        self.unavailable: Counter[str] = Counter()
        self.refuse: dict[str, Any] = {}
        self.awaiting_embedding = 0
        self.refuse_pages: dict[str, list[Any]] = {}
        self.acks_before_cut: list[int] = []
        self.acks_lost = 0
        self.batch_rows: list[int] = []
        self.events_before_cut: list[int] = []
        self.watched_after: list[int] = []
        self.ack_gate = threading.Event()
        self.ack_gate.set()
        self.added = threading.Event()
