"""Letting something else choose from a shortlist: an LLM, or a person.

The caller makes the shortlist, asks (perhaps for seconds, over a network), and hands the answer to
``settle_choice``, which trusts nothing in it: the batch is always full, unique and within the shortlist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.composition.audit import audit_selection, without_rows
from nextlabel.strategies.selection import Selection


@dataclass(frozen=True, slots=True)
class Choice:
    """What a chooser answered.

    Attributes:
        positions: positions within the candidates, in order of preference; taken as they come and checked
            by ``settle_choice``.
        reasons: a short reason each; may be shorter than ``positions``.
    """

    positions: Sequence[int]
    reasons: Sequence[str] = ()


def settle_choice(candidates: Candidates, k: int, choice: Choice, fallback: str) -> Selection:
    """Return the batch: valid choices first, then the shortlist's own order, then the audit rows.

    Args:
        candidates: the shortlist, best first.
        k: size of the batch, audit rows included.
        choice: the answer; empty when there was none.
        fallback: why rows had to be filled up in shortlist order, recorded as their reason and the selection's.
    """
    answered = dict.fromkeys(position for position in choice.positions if 0 <= position < len(candidates))
    reasons = dict(zip(reversed(choice.positions), reversed(_padded(choice)), strict=True))
    filled = [position for position in range(len(candidates)) if position not in answered]
    order = [*answered, *filled]
    why = f"fallback: {fallback}"
    picks = Picks(
        np.asarray(order, np.int64),
        reasons_k=[reasons.get(p) or "chosen" for p in answered] + [why] * len(filled),
    )
    chosen, draw = Selection.from_picks(candidates, picks, ""), candidates.audit
    if draw is not None:
        chosen = without_rows(chosen, draw.rows_a)
    room = min(max(0, k - (0 if draw is None else len(draw.rows_a))), len(chosen))
    kept = chosen.only(np.arange(room))
    if np.isin(kept.rows_k, candidates.rows_m[filled]).any():
        kept = replace(kept, fallback=why)
    return kept if draw is None else kept.then(audit_selection(draw))


def _padded(choice: Choice) -> list[str]:
    missing = len(choice.positions) - len(choice.reasons)
    return [*choice.reasons[: len(choice.positions)], *[""] * max(0, missing)]
