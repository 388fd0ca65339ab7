"""Replies to calls whose work spans transactions."""

import uuid

import pytest

from nextlabel.server.api.boundary.auth import LOCAL
from nextlabel.server.api.boundary.calls import Call, enter
from nextlabel.server.api.boundary.idempotency import Replies, ReplySlot
from nextlabel.server.values.errors import Aborted
from nextlabel.v1.learner_service_pb2 import TrainRequest, TrainResponse
from tests.api.conftest import ManualClock
from tests.memory_store.state_store import MemoryStateStore


class CrashedError(Exception):
    """Stands for the end of the process."""


async def test_a_call_that_is_cut_off_after_its_work_was_stored_gets_its_first_reply(clock: ManualClock) -> None:
    enter(Call("/nextlabel.v1.LearnerService/Train", "reference", LOCAL))
    store = MemoryStateStore()
    replies = Replies(store, clock)
    request = TrainRequest(request_id=str(uuid.uuid4()), project="news")
    times = 0

    async def train(slot: ReplySlot[TrainResponse]) -> TrainResponse:
        nonlocal times
        times += 1
        reply = TrainResponse()
        reply.model_version.version = times
        await store.write(lambda tx: slot.save(tx, reply))
        raise CrashedError

    with pytest.raises(CrashedError):
        await replies.around(request, TrainResponse, train)
    assert (await replies.around(request, TrainResponse, train)).model_version.version == 1
    assert times == 1


async def test_a_call_whose_first_attempt_goes_on_without_its_client_gets_that_ones_reply(clock: ManualClock) -> None:
    enter(Call("/nextlabel.v1.LearnerService/Train", "reference", LOCAL))
    store = MemoryStateStore()
    replies = Replies(store, clock)
    request = TrainRequest(request_id=str(uuid.uuid4()), project="news")

    async def overtaken(slot: ReplySlot[TrainResponse]) -> TrainResponse:
        reply = TrainResponse()
        for version in (1, 2):  # that of the attempt that was given up, which ends meanwhile, and this one's
            reply.model_version.version = version
            await store.write(lambda tx: slot.save(tx, reply))
        return reply

    async def lost(slot: ReplySlot[TrainResponse]) -> TrainResponse:
        raise Aborted("the project was changed meanwhile")

    assert (await replies.around(request, TrainResponse, overtaken)).model_version.version == 1
    with pytest.raises(Aborted, match="was changed"):
        await replies.around(TrainRequest(request_id=str(uuid.uuid4()), project="news"), TrainResponse, lost)
