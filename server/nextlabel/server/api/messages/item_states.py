"""Between messages and the states of items."""

from __future__ import annotations

from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.item_states import ItemNeed, ItemState, NeedReason
from nextlabel.v1 import pool_pb2 as pb

ITEM_STATES = {
    ItemState.UNLABELED: pb.ITEM_STATE_UNLABELED,
    ItemState.PICKED: pb.ITEM_STATE_PICKED,
    ItemState.LEASED: pb.ITEM_STATE_LEASED,
    ItemState.ASKED: pb.ITEM_STATE_ASKED,
    ItemState.ANSWERED: pb.ITEM_STATE_LABELED,
    ItemState.NEEDS_ANOTHER: pb.ITEM_STATE_UNRESOLVED,
    ItemState.GIVEN_UP: pb.ITEM_STATE_GIVEN_UP,
}
NEED_REASONS = {reason: pb.NeedReason.Value(f"NEED_REASON_{reason.name}") for reason in NeedReason}


def state_of(message: pb.ItemState.ValueType, field: str) -> ItemState | None:
    """Return a state to filter by; None for UNSPECIFIED, which is every state."""
    if message == pb.ITEM_STATE_UNSPECIFIED:
        return None
    for state, known in ITEM_STATES.items():
        if known == message:
            return state
    raise InvalidArgument.field(field, f"{message} is no state of items")


def need_message(need: ItemNeed | None) -> pb.ItemNeed | None:
    """Return the message of what an item needs; None, which leaves a field unset, for None."""
    if need is None:
        return None
    return pb.ItemNeed(
        reason=NEED_REASONS[need.reason], attempts=need.attempts, annotator=need.annotator, detail=need.detail
    )
