"""How annotators answered gold items each time that they were asked about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import numpy as np

from nextlabel.server.assessment.answering_models import other_models
from nextlabel.server.assessment.gold_drift import NOT_ASKED, Answers, PairedEvidence, paired_evidence
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.tasks.answer_form import is_right
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Outcome
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project

GOLD_BATCH = "gold-"
"""What the ids of batches begin with in which gold items check annotators."""

MOST_ASKINGS = 20
"""The newest ones of an annotator, which are told of."""
MOST_ANNOTATORS = 20
MOST_COMPARED = 40
"""Newest askings of an annotator under the same settings, which are compared with each other."""
MOST_MODELS = 8
"""Other models that are told of by name, the most frequent first."""

_PARTS = ("model", "prompt", "guidelines")


@dataclass(frozen=True, slots=True)
class GoldAsking:
    """One time that an annotator was asked about gold items.

    ``changed`` names what of model, prompt and guidelines is not as it was the time before. ``evidence`` compares the
    answers, and some before them where these are few, with the earlier ones about the same items: those under the same
    settings, or, where these are new, those under the settings before; None where there are none, and for all but the
    newest 20 askings. ``other_models`` counts answers by models that were not asked.
    """

    annotator: str
    run: str
    at: datetime
    model: str
    changed: tuple[str, ...]
    items: int
    right: int
    evidence: PairedEvidence | None
    other_models: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class GoldAskings:
    """Tells how annotators answered gold items over time, which the annotations know: all servers say the same."""

    store: StateStore

    async def of(self, project: Project, annotator: str = "") -> Sequence[GoldAsking]:
        """Return the askings of one annotator, or of all in alphabetical order, the oldest first."""
        return await self.store.read(lambda tx: askings_in(tx, project, annotator))


def askings_in(tx: Transaction, project: Project, annotator: str = "") -> Sequence[GoldAsking]:
    """Return the askings of one annotator, or of all in alphabetical order, the oldest first."""
    gold = {item.row: item.label for item in tx.pool.references(project.id, Split.GOLD)}
    if not gold:
        return []
    given = tx.labeling.annotations(project.id, rows=sorted(gold), annotator=annotator or None)
    by_annotator: dict[str, list[Annotation]] = {}
    for one in given:
        if one.batch.startswith(GOLD_BATCH) and one.outcome is not Outcome.FAILED:
            by_annotator.setdefault(one.annotator, []).append(one)
    return [asking for _, own in sorted(by_annotator.items()) for asking in _askings(project, own, gold)]


def newest_askings(askings: Sequence[GoldAsking]) -> Sequence[GoldAsking]:
    """Return the newest 20 askings of each annotator, of the first 20 annotators."""
    by_annotator: dict[str, list[GoldAsking]] = {}
    for one in askings:
        by_annotator.setdefault(one.annotator, []).append(one)
    return [one for own in islice(by_annotator.values(), MOST_ANNOTATORS) for one in own[-MOST_ASKINGS:]]


def _askings(project: Project, own: Sequence[Annotation], gold: Mapping[int, str]) -> Sequence[GoldAsking]:
    """Return the askings of an annotator from its answers, the oldest first."""
    batches: dict[str, list[Annotation]] = {}
    keys: set[str] = set()
    for one in own:
        key = one.answer.provenance.answer_key
        # A kept answer that is given again says nothing about the annotator as it is now.
        if key not in keys:
            batches.setdefault(one.batch, []).append(one)
        keys |= {key} - {""}
    found: list[GoldAsking] = []
    before: list[Mapping[int, bool]] = []
    same: list[Mapping[int, bool]] = []
    settings: tuple[str, ...] | None = None
    for left, answers in zip(range(len(batches), 0, -1), batches.values(), strict=True):
        now = _settings(answers[0])
        changed = () if settings is None else _changes(settings, now)
        if changed:
            before, same = same, []
        settings = now
        right = {a.row: a.answer.body is not None and is_right(a.answer.body, gold[a.row], project) for a in answers}
        same.append(right)
        found.append(
            GoldAsking(
                annotator=answers[0].annotator,
                run=answers[0].run,
                at=answers[-1].created_at,
                model=answers[0].answer.provenance.requested_model,
                changed=changed,
                items=len(right),
                right=sum(right.values()),
                evidence=_evidence(same[-MOST_COMPARED:], before[-MOST_COMPARED:]) if left <= MOST_ASKINGS else None,
                other_models=dict(other_models(a.answer.provenance for a in answers).most_common(MOST_MODELS)),
            )
        )
    return found


def _evidence(same: Sequence[Mapping[int, bool]], before: Sequence[Mapping[int, bool]]) -> PairedEvidence | None:
    """Compare the newest answers, whether they are right by row, with those under the same settings or those before."""
    newest_first = (row for asking in (*reversed(same), *before) for row in asking)
    places = {row: place for place, row in enumerate(dict.fromkeys(newest_first))}

    def table(askings: Sequence[Mapping[int, bool]]) -> Answers:
        answers_AN = np.full((len(askings), len(places)), NOT_ASKED, np.int8)
        for own_N, asking in zip(answers_AN, askings, strict=True):
            own_N[[places[row] for row in asking]] = list(asking.values())
        return answers_AN

    return paired_evidence(table(same), table(before))


def _settings(annotation: Annotation) -> tuple[str, ...]:
    came = annotation.answer.provenance
    return came.requested_model, came.prompt_hash, came.guidelines_hash


def _changes(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
    changed = [part for part, was, is_now in zip(_PARTS, before, now, strict=True) if was != is_now]
    # The guidelines stand in the prompt.
    return tuple(part for part in changed if part != "prompt" or "guidelines" not in changed)
