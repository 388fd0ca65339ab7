"""The LLM as acquisition function: a strategy makes a diverse shortlist, the run's LLM chooses from it and says why.

After ActiveLLM (Bayer & Reuter 2024, arXiv 2405.10808) and SelectLLM (Parkar et al. 2024, arXiv 2401.16553). Whatever
goes wrong with the LLM, the batch is full: the rest comes in the shortlist's order, with the reason recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nextlabel.server.domain.errors import InvalidArgument
from nextlabel.server.domain.state import Choice, Project
from nextlabel.strategies import Candidates, Selection, ShortlistSize, settle_choice
from nextlabel.strategies import Choice as Chosen
from nextlabel.strategies.audit import draw_audit
from nextlabel.strategies.candidates import SubPool
from nextlabel.strategies.pool import Pool

LLM_STRATEGY = "llm"
_SIZES = ShortlistSize(per_pick=3, at_least=30)
_LARGEST_SHORTLIST = 200


@dataclass(frozen=True, slots=True)
class ShortItem:
    """An item of a shortlist, as the LLM sees it."""

    row: int
    item_id: str
    text: str


class ItemChooser(Protocol):
    """Chooses items that are worth a label."""

    async def choose(
        self, project: Project, shortlist: Sequence[ShortItem], k: int, labeled: Mapping[str, int]
    ) -> tuple[Sequence[int], Sequence[str], str]:
        """Return positions in the shortlist, best first, a reason each, and why there are fewer than k, or ''."""
        ...


def shortlisting(choice: Choice) -> Choice:
    """Return the strategy that makes the shortlist of the ``llm`` strategy: its parameter ``shortlist``.

    Raises:
        InvalidArgument: another parameter.
    """
    unknown = sorted(set(choice.params) - {"shortlist"})
    if unknown:
        raise InvalidArgument.field(
            "strategy.params", f"strategy 'llm' has no parameter {unknown[0]!r}; allowed: shortlist (a strategy's name)"
        )
    return Choice(str(choice.params.get("shortlist", "default")))


def shortlist_size(k: int) -> int:
    """Return how many candidates the LLM sees for a batch of ``k``: three a pick, at least 30 and at most 200."""
    return max(k, min(_SIZES.of(k), _LARGEST_SHORTLIST))


def settled(
    pool: Pool, shortlist: Selection, k: int, chosen: tuple[Sequence[int], Sequence[str], str], audit: int, seed: int
) -> Selection:
    """Return the batch: the LLM's valid choices, then the shortlist's order, then ``audit`` uniform picks."""
    positions, reasons, failure = chosen
    rows = shortlist.rows_k
    draw = draw_audit(pool, min(audit, len(pool)), seed) if audit else None
    candidates = Candidates(SubPool(pool, rows), rows, len(pool), shortlist.scores_k, draw)
    choice = Chosen(np.asarray(positions, np.int64).tolist(), list(reasons))
    return settle_choice(candidates, k, choice, failure or "the model chose too few")
