"""Which labels a rule would take out, and what it went by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.assessment.filters.rules import METADATA, LabelRule, RuleError, Value, parse
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.selection.review_queue import Doubts, ReviewQueue
from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.projects.projects import Project

_BLOCK = 1_000
_JUDGED = ("wrong_probability", "other_label")


@dataclass(frozen=True, slots=True)
class FilterHit:
    """A label that a rule names; ``why`` holds the values that it went by."""

    item_id: str
    label: str
    why: str


@dataclass(frozen=True, slots=True)
class Filtered:
    """What a rule names among ``labels`` labels, by item id."""

    hits: Sequence[FilterHit]
    labels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFilters:
    """Tries rules on the labels that a learner may be trained on. Nothing is changed."""

    pools: Pools
    labels: Labels
    review: ReviewQueue
    executor: Executor

    async def preview(self, project: Project, rule: str) -> Filtered:
        """Return the labels that a rule names.

        Raises:
            InvalidArgument: it is no rule.
            FailedPrecondition: answers of the project's type are not one class each, which rules are about.
        """
        try:
            parsed = parse(rule)
        except RuleError as error:
            raise InvalidArgument.field("rule", str(error)) from None
        self.review.check(project)
        pool = await self.pools.open(project.id)
        unusable = set(pool.unusable_rows().tolist())
        agreed = {row: one for row, one in (await self.labels.consensus(project)).items() if row not in unusable}
        doubts = Doubts({}, {})
        if any(name in _JUDGED for name in parsed.names):
            doubts = await self.review.doubts(project)
        hits: list[FilterHit] = []
        rows = sorted(agreed)
        for start in range(0, len(rows), _BLOCK):
            items = await self.pools.items(project.id, rows[start : start + _BLOCK])
            hits += await self.executor.run(partial(_hits, parsed, items, agreed, doubts))
        return Filtered(sorted(hits, key=lambda hit: hit.item_id), len(rows))


def _hits(
    rule: LabelRule, items: Sequence[StoredItem], agreed: Mapping[int, Consensus], doubts: Doubts
) -> list[FilterHit]:
    judged = [(item.item_id, _facts(item, agreed[item.row], doubts)) for item in items]
    return [FilterHit(item, str(facts["label"]), rule.why(facts)) for item, facts in judged if rule.holds(facts)]


def _facts(item: StoredItem, agreed: Consensus, doubts: Doubts) -> dict[str, Value]:
    metadata = json.loads(item.metadata) if item.metadata else {}
    facts: dict[str, Value] = {
        METADATA + name: value for name, value in metadata.items() if isinstance(value, str | int | float)
    }
    return facts | {
        "text": item.text,
        "label": agreed.label,
        "other_label": doubts.own.get(item.row),
        "confidence": agreed.confidence,
        "vote_share": agreed.vote_share,
        "wrong_probability": doubts.wrong.get(item.row),
        "annotations": agreed.annotations,
        "trusted": agreed.trusted,
    }
