"""Token probabilities as probabilities of labels, and batch calibration of them."""

import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from nextlabel.server.annotators.ports import Annotator
from nextlabel.server.domain.annotation import (
    Answer,
    Candidate,
    ConfidenceKind,
    ItemToAnnotate,
    Label,
    Task,
)

_FLOOR = 1e-6


def label_distribution(logprobs: Mapping[str, float], labels: Sequence[str]) -> tuple[Candidate, ...]:
    """Probabilities of all labels, most probable first, from the alternatives for the label's first token.

    Only tokens that begin a label count. Empty when a likely token begins several labels, since it then says
    nothing about any of them.
    """
    mass = dict.fromkeys(labels, 0.0)
    for token, logprob in logprobs.items():
        begun = [label for label in labels if token and label.startswith(token)]
        if len(begun) > 1 and math.exp(logprob) > 0.01:
            return ()
        if len(begun) == 1:
            mass[begun[0]] += math.exp(logprob)
    total = math.fsum(mass.values())
    if total <= 0.0:
        return ()
    ranked = sorted(labels, key=lambda label: -mass[label])
    return tuple(Candidate(label, mass[label] / total) for label in ranked)


def batch_calibrated(distributions: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Divide out each label's mean log-probability over the batch (Zhou et al. 2023, arXiv 2309.17249).

    Assumes that the classes of the batch are about equally frequent: it then removes the model's preference for
    some label names. On imbalanced data it removes the truth instead; check on gold before relying on it.
    """
    if not distributions:
        return []
    labels = list(distributions[0])
    means = {
        label: math.fsum(math.log(max(one[label], _FLOOR)) for one in distributions) / len(distributions)
        for label in labels
    }
    corrected = []
    for one in distributions:
        scores = {label: math.exp(math.log(max(one[label], _FLOOR)) - means[label]) for label in labels}
        total = math.fsum(scores.values())
        corrected.append({label: score / total for label, score in scores.items()})
    return corrected


class BatchCalibratedAnnotator:
    """Implements `Annotator`: batch calibration over each call's items; see `batch_calibrated` for its assumption.

    Answers without a distribution over the label space pass through unchanged. Answers come when the whole batch
    is there.
    """

    def __init__(self, annotator: Annotator) -> None:
        self._annotator = annotator

    @property
    def name(self) -> str:
        """The name that provenance carries."""
        return self._annotator.name

    async def annotate(
        self, task: Task, items: Sequence[ItemToAnnotate]
    ) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        """Yield all answers, corrected ones last."""
        scored: list[tuple[ItemToAnnotate, Answer, dict[str, float]]] = []
        async with aclosing(self._annotator.annotate(task, items)) as answers:
            async for item, answer in answers:
                given = {candidate.label: candidate.probability for candidate in answer.candidates}
                if set(given) == set(task.label_names) and isinstance(answer.body, Label):
                    scored.append((item, answer, {label: given[label] for label in task.label_names}))
                else:
                    yield item, answer
        corrected = batch_calibrated([distribution for _, _, distribution in scored])
        for (item, answer, _), distribution in zip(scored, corrected, strict=True):
            yield item, _relabeled(answer, distribution)

    async def check(self) -> None:
        """Probe the annotator below."""
        await self._annotator.check()

    async def close(self) -> None:
        """Close the annotator below."""
        await self._annotator.close()


def _relabeled(answer: Answer, distribution: Mapping[str, float]) -> Answer:
    ranked = sorted(distribution, key=lambda label: -distribution[label])
    best = ranked[0]
    changed = answer.body != Label(best)
    return replace(
        answer,
        body=Label(best),
        candidates=tuple(Candidate(label, distribution[label]) for label in ranked),
        confidence=distribution[best],
        confidence_kind=ConfidenceKind.UNCALIBRATED,
        signals={"logprob": distribution[best]},
        detail="relabeled by batch calibration" if changed else answer.detail,
    )
