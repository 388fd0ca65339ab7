"""Message batches: created at once, ended after some polls, results in any order."""

import json
import random
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.fake_anthropic.faults import Fault

if TYPE_CHECKING:
    from tests.fake_anthropic.server import FakeAnthropic


class Batches:
    """The batches of one fake. `lose_next_creation` creates the next batch and drops the connection."""

    def __init__(self, fake: "FakeAnthropic") -> None:
        self._fake = fake
        self._rng = random.Random(0)
        self.created: dict[str, dict[str, Any]] = {}
        self.lose_next_creation = False
        self.results_host: str | None = None
        self.expire: set[str] = set()
        self.cancelled: set[str] = set()
        self.faults: dict[str, deque[Fault]] = {}
        self.lost: set[str] = set()

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/messages/batches", self._create)
        app.router.add_get("/v1/messages/batches", self._list)
        app.router.add_get("/v1/messages/batches/{id}", self._retrieve)
        app.router.add_get("/v1/messages/batches/{id}/results", self._results)
        app.router.add_post("/v1/messages/batches/{id}/cancel", self._cancel)

    def _fault(self, call: str) -> web.Response | None:
        """The fault that is due at a call: create, list, retrieve or results."""
        if not self.faults.get(call):
            return None
        fault = self.faults[call].popleft()
        self._fake.statuses[fault.status] += 1
        body = fault.envelope("req_batch") if fault.status != 200 else "<html>"
        return web.Response(status=fault.status, text=body, headers=dict(fault.headers))

    async def _create(self, request: web.Request) -> web.StreamResponse:
        if (fault := self._fault("create")) is not None:
            return fault
        requests = (await request.json())["requests"]
        batch_id = f"msgbatch_{len(self.created):04d}"
        self.created[batch_id] = {
            "requests": requests,
            "polls": 0,
            "created_at": datetime.now(UTC),
            "lines": self._process(requests),
        }
        if self.lose_next_creation:
            self.lose_next_creation = False
            if request.transport is not None:
                request.transport.close()
            return web.Response()
        return web.json_response(self._document(batch_id))

    def _process(self, requests: list[dict[str, Any]]) -> list[str]:
        from tests.fake_anthropic.server import message_for

        lines = []
        for number, entry in enumerate(requests):
            fault = self._fake.faults.next()
            custom_id, params = entry["custom_id"], entry["params"]
            if fault is not None and fault.status != 200:
                error = json.loads(fault.envelope(f"req_batch_{number}"))
                lines.append({"custom_id": custom_id, "result": {"type": "errored", "error": error}})
                continue
            if custom_id in self.expire:
                lines.append({"custom_id": custom_id, "result": {"type": "expired"}})
                continue
            usage = self._fake.books.usage(params, 0)
            message = message_for(self._fake.brain, params, usage, fault.kind if fault else "", f"req_batch_{number}")
            self._fake.books.charge(params, message["usage"], batch=True)
            if fault is not None and fault.kind == "no_usage":
                del message["usage"]
            lines.append({"custom_id": custom_id, "result": {"type": "succeeded", "message": message}})
        self._rng.shuffle(lines)
        return [json.dumps(line) for line in lines]

    async def _cancel(self, request: web.Request) -> web.Response:
        """Leave every second request undone, as if it had not been under way yet, and end at once."""
        batch_id = request.match_info["id"]
        batch = self.created[batch_id]
        undone = batch["requests"][1::2]
        lines = {json.loads(line)["custom_id"]: line for line in batch["lines"]}
        for entry in undone:
            self._fake.books.undo(entry["params"], json.loads(lines[entry["custom_id"]])["result"]["message"]["usage"])
            lines[entry["custom_id"]] = json.dumps({"custom_id": entry["custom_id"], "result": {"type": "canceled"}})
        batch["lines"], batch["polls"] = list(lines.values()), self._fake.batch_steps
        self.cancelled.add(batch_id)
        return web.json_response(self._document(batch_id))

    async def _list(self, _: web.Request) -> web.Response:
        if (fault := self._fault("list")) is not None:
            return fault
        newest_first = [self._document(batch_id) for batch_id in reversed(self.created)]
        return web.json_response({"data": newest_first, "has_more": False, "first_id": None, "last_id": None})

    async def _retrieve(self, request: web.Request) -> web.Response:
        batch_id = request.match_info["id"]
        if (fault := self._fault("retrieve")) is not None:
            return fault
        if batch_id not in self.created or batch_id in self.lost:
            body = {"type": "error", "error": {"type": "not_found_error", "message": "no such batch"}}
            return web.json_response(body, status=404)
        self.created[batch_id]["polls"] += 1
        return web.json_response(self._document(batch_id))

    async def _results(self, request: web.Request) -> web.Response:
        if (fault := self._fault("results")) is not None:
            return fault
        lines = self.created[request.match_info["id"]]["lines"]
        return web.Response(text="\n".join(lines) + "\n", content_type="application/x-jsonl")

    def _document(self, batch_id: str) -> dict[str, Any]:
        batch = self.created[batch_id]
        ended = batch["polls"] >= self._fake.batch_steps
        number = len(batch["requests"])
        created: datetime = batch["created_at"]
        host = self.results_host or self._fake.url
        return {
            "id": batch_id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": {
                "processing": 0 if ended else number,
                "succeeded": number if ended else 0,
                "errored": 0,
                "canceled": 0,
                "expired": 0,
            },
            "created_at": created.isoformat(),
            "expires_at": (created + timedelta(hours=24)).isoformat(),
            "ended_at": created.isoformat() if ended else None,
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": f"{host}/v1/messages/batches/{batch_id}/results" if ended else None,
        }
