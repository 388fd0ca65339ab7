"""Which labels rules name and what they went by: rules that somebody tries, and the enabled filters of a project."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.assessment.filters.llm_shares import llm_shares
from nextlabel.server.assessment.filters.rules import (
    JUDGE_REASON,
    JUDGED_WRONG,
    METADATA,
    Called,
    LabelRule,
    RuleError,
    Value,
    parse,
)
from nextlabel.server.domain.learning.training_labels.doubts import NO_DOUBTS, Doubting, Doubts
from nextlabel.server.domain.learning.training_labels.doubts_by_type import JUDGES
from nextlabel.server.domain.learning.training_labels.function_values import FunctionValues
from nextlabel.server.domain.learning.training_labels.labeled import Labeled, LabeledItems
from nextlabel.server.domain.learning.training_labels.rule_words import RuleWords
from nextlabel.server.domain.learning.training_labels.twins import Twins
from nextlabel.server.domain.learning.training_labels.verdicts import standing_verdicts
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Executor
from nextlabel.server.tasks.answer_form import shown_answer
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.answers import Score
from nextlabel.server.values.labeling.filters import LabelFilter
from nextlabel.server.values.labeling.verdicts import LabelRuling, LabelVerdict
from nextlabel.server.values.projects.projects import Project

_BLOCK = 1_000
_JUDGED = ("wrong_probability", "other_label", "other_score")
_LLM_SHARE = "llm_share"
_COMPARED = ("duplicate_of", "duplicate_label", "duplicate_score")


@dataclass(frozen=True, slots=True)
class NamedLabel:
    """A label that rules name; ``why`` holds the values that each went by, by the rule's name."""

    row: int
    item_id: str
    label: str
    why: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NamedLabels:
    """What ``rules`` name among ``labels`` labels, by row."""

    rules: Sequence[str]
    by_row: Mapping[int, NamedLabel]
    labels: int

    def counts(self) -> dict[str, int]:
        """Return how many labels each rule names; a label that two of them name counts for both."""
        return {name: sum(name in found.why for found in self.by_row.values()) for name in self.rules}

    def by_item(self) -> Sequence[NamedLabel]:
        """Return them by item id."""
        return sorted(self.by_row.values(), key=lambda found: found.item_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFilters:
    """Tries rules on the labels of pool items, never on those of holdout or gold."""

    store: StateStore
    pools: Pools
    labeled: LabeledItems
    doubting: Doubting
    twins: Twins
    executor: Executor
    functions: FunctionValues = field(default_factory=FunctionValues)

    async def preview(self, project: Project, rule: str) -> NamedLabels:
        """Return the labels that a rule names, whatever filters there are, under the name ''.

        Raises:
            InvalidArgument: it is no rule, compares the label with what is no class, or asks for a metadata field that
                no item has.
            FailedPrecondition: answers of the project's type are neither classes nor scores.
        """
        try:
            parsed = self.parsed(rule)
        except RuleError as error:
            raise InvalidArgument.field("rule", str(error)) from None
        check_filters(project)
        usable = await self.labeled.usable(project)
        await RuleWords(self.pools).check(project, parsed, usable)
        return await self._named(project, {"": parsed}, usable)

    async def left_out(self, project: Project) -> NamedLabels:
        """Return the labels that enabled filters leave out; those of kept items are none of them.

        Raises:
            FailedPrecondition: the rule of one cannot be read any more.
        """
        rules, kept = await self._enabled(project)
        if not rules:
            return NamedLabels((), {}, 0)
        agreed = {row: one for row, one in (await self.labeled.usable(project)).items() if row not in kept}
        return await self._named(project, rules, agreed)

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project."""
        self.doubting.forget(project)
        self.twins.forget(project)

    async def decided(self, project: Project) -> Hashable:
        """Return what decides beside the labels what is left out: equal as long as nobody has changed any of it."""

        def work(tx: Transaction) -> Hashable:
            filters, kept = _enabled(tx, project.id)
            judged = (project.guidelines_version, tx.filters.verdict_count(project.id)) if filters else ()
            return tuple((one.name, one.rule) for one in filters), frozenset(kept), judged

        return await self.store.read(work)

    async def training(self, project: Project) -> Labeled:
        """Return what to train on: all labels but those that enabled filters name now.

        What learner and neighbours say of a label is found among all labels, so that what is left out changes no
        filter's view.

        Raises:
            FailedPrecondition: no learner is trained on the project's type, or a filter's rule cannot be read any more.
        """
        every = await self.labeled.every(project)
        rules, kept = await self._enabled(project)
        if not rules:
            return every
        agreed = {one.row: one for one in every.consensus if one.row not in kept}
        found = await self._named(project, rules, agreed, every)
        return every.without(found.by_row.keys(), found.counts())

    async def _enabled(self, project: Project) -> tuple[Mapping[str, LabelRule], set[int]]:
        filters, kept = await self.store.read(lambda tx: _enabled(tx, project.id))
        return {one.name: self._read(one) for one in filters}, kept

    def parsed(self, rule: str) -> LabelRule:
        """Return a rule, which may call the functions that there are; raises RuleError."""
        return parse(rule, {name: one.takes for name, one in self.functions.functions.items()})

    def _read(self, label_filter: LabelFilter) -> LabelRule:
        try:
            return self.parsed(label_filter.rule)
        except RuleError as error:
            raise FailedPrecondition(
                f"the rule of filter {label_filter.name} cannot be read any more ({error}); set it anew, or remove it",
                reason="FILTER_UNREADABLE",
            ) from None

    async def _named(
        self,
        project: Project,
        rules: Mapping[str, LabelRule],
        agreed: Mapping[int, Consensus],
        every: Labeled | None = None,
    ) -> NamedLabels:
        asked = {name for rule in rules.values() for name in rule.names}
        doubts = await self.doubting.of(project, every) if asked.intersection(_JUDGED) else NO_DOUBTS
        copied = await self._copied(project) if asked.intersection(_COMPARED) else {}
        shares = await self._llm_shares(project) if _LLM_SHARE in asked else {}
        by_judges = asked.intersection((JUDGED_WRONG, JUDGE_REASON))
        judged = await standing_verdicts(self.store, project, agreed) if by_judges else {}
        found: dict[int, NamedLabel] = {}
        rows = sorted(agreed)
        called = list(dict.fromkeys(one for rule in rules.values() for one in rule.functions))
        reads = bool(called) or any(name == "text" or name.startswith(METADATA) for name in asked)
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            items = await self.pools.items(project.id, block) if reads else None
            labels = [agreed[row] for row in block]
            said = await self._said(called, items or ())
            found_out = _Found(doubts, copied, llm_shares=shares, judged=judged, items=items, said=said)
            hits = await self.executor.run(partial(_hits, rules, labels, found_out))
            found |= {hit.row: hit for hit in hits}
        return NamedLabels(tuple(rules), found, len(rows))

    async def _said(self, called: Sequence[Called], items: Sequence[StoredItem]) -> Mapping[int, Mapping[str, Value]]:
        """Return what the functions that rules call say of items, as facts by row."""
        found: dict[int, dict[str, Value]] = {item.row: {} for item in items}
        for one in called:
            told = [item.text if one.argument == "text" else item.item_id for item in items]
            for item, value in zip(items, await self.functions.of(one.function, told), strict=True):
                found[item.row][one.fact] = value
        return found

    async def _llm_shares(self, project: Project) -> Mapping[int, float]:
        """Return how much of their classes LLMs have down to a label, by row: among all labels, filtered or not."""
        agreed = (await self.labeled.usable(project)).values()
        labels = [(one, type_of(one.body).classes(one.body)) for one in agreed]
        return await self.executor.run(lambda: llm_shares(labels))

    async def _copied(self, project: Project) -> Mapping[int, Consensus]:
        """Return the label of the earlier item that an item is nearly a copy of, by the item's row."""
        agreed = await self.labeled.usable(project)
        twins = await self.twins.of(project.id, sorted(agreed))
        return {row: agreed[first] for row, first in twins.items()}


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found out about labels beside themselves, by row; ``items`` is None where no rule asks about them.

    ``said`` are what functions say of the items.
    """

    doubts: Doubts
    copied: Mapping[int, Consensus]
    llm_shares: Mapping[int, float]
    judged: Mapping[int, LabelVerdict]
    items: Sequence[StoredItem] | None
    said: Mapping[int, Mapping[str, Value]]


def check_filters(project: Project) -> None:
    """Raise FailedPrecondition unless answers of the project's type can be judged: classes and scores."""
    if project.annotation_type not in JUDGES:
        raise FailedPrecondition(
            f"project {project.name} asks for {project.annotation_type.shown} annotations; rules are about classes and "
            "scores",
            reason="NO_FILTERS",
        )


def _enabled(tx: Transaction, project: ProjectId) -> tuple[Sequence[LabelFilter], set[int]]:
    filters = [one for one in tx.filters.list(project) if one.enabled]
    return filters, {item.row for item in tx.filters.kept(project)} if filters else set()


def _hits(rules: Mapping[str, LabelRule], agreed: Sequence[Consensus], found: _Found) -> list[NamedLabel]:
    return [
        NamedLabel(one.row, one.item_id, shown_answer(one.body), why)
        for one, facts in _facts(agreed, found)
        if (why := {name: rule.why(facts) for name, rule in rules.items() if rule.holds(facts)})
    ]


def _facts(agreed: Sequence[Consensus], found: _Found) -> Iterator[tuple[Consensus, dict[str, Value]]]:
    """Yield labels with what is known of them; those of items that were deleted meanwhile are left out."""
    read = None if found.items is None else {item.row: item for item in found.items}
    for one in agreed:
        facts = _of_label(one, found)
        if read is None:
            yield one, facts
        elif one.row in read:
            yield one, _of_item(read[one.row]) | facts | dict(found.said.get(one.row, {}))


def _of_label(agreed: Consensus, found: _Found) -> dict[str, Value]:
    first, verdict = found.copied.get(agreed.row), found.judged.get(agreed.row)
    if isinstance(agreed.body, Score):
        labels: dict[str, Value] = {
            "score": agreed.body.value,
            "other_score": found.doubts.scores.get(agreed.row),
            "duplicate_score": None if first is None or not isinstance(first.body, Score) else first.body.value,
        }
    else:
        labels = {
            "label": shown_answer(agreed.body),
            "other_label": found.doubts.own.get(agreed.row),
            "duplicate_label": None if first is None else shown_answer(first.body),
        }
    return labels | {
        "confidence": agreed.confidence,
        "vote_share": agreed.vote_share,
        "wrong_probability": found.doubts.wrong.get(agreed.row),
        "annotations": agreed.annotations,
        "trusted": agreed.trusted,
        _LLM_SHARE: found.llm_shares.get(agreed.row),
        JUDGED_WRONG: None if verdict is None else verdict.ruling is LabelRuling.WRONG,
        JUDGE_REASON: None if verdict is None else f"{verdict.reason} ({verdict.judge})".lstrip(),
        "duplicate_of": None if first is None else first.item_id,
    }


def _of_item(item: StoredItem) -> dict[str, Value]:
    facts: dict[str, Value] = {
        METADATA + name: value for name, value in item.fields.items() if isinstance(value, str | int | float)
    }
    return facts | {"text": item.text}
