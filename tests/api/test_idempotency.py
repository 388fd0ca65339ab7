"""Replies to calls whose work spans transactions."""

import uuid

import pytest

from nextlabel.server.api.boundary.auth import LOCAL
from nextlabel.server.api.boundary.calls import Call, enter
from nextlabel.server.api.boundary.idempotency import Replies, ReplySlot
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
