"""What a run leaves without an answer, in words."""

from __future__ import annotations

from nextlabel.server.domain.reports.reports import PoolCounts
from nextlabel.server.values.labeling.item_states import ItemState

_STATES = {
    ItemState.UNLABELED: "unlabeled: added meanwhile, waiting for their embeddings, or asked without a reply",
    ItemState.PICKED: "put aside for people",
    ItemState.LEASED: "on lease",
    ItemState.ASKED: "with another run",
    ItemState.NEEDS_ANOTHER: "in need of another answer",
    ItemState.GIVEN_UP: "given up after too many answers without use",
}


def left_over(counts: PoolCounts) -> str:
    """Say how many items have no useful answer, and why; '' when all have one."""
    if not counts.without_answer:
        return ""
    states = [f"{counts.states[state]} {words}" for state, words in _STATES.items() if counts.states[state]]
    reasons = [f"{items} {reason.value.replace('_', ' ')}" for reason, items in sorted(counts.needs.items())]
    why = f" (newest answers: {', '.join(reasons)})" if reasons else ""
    return f"{counts.without_answer} items are left that this run may not ask about: {'; '.join(states)}{why}"
