"""Token probabilities as probabilities of labels, and batch calibration of them."""

import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from nextlabel.server.annotators.endpoints.wire import TokenChoice
from nextlabel.server.ports.annotators import Annotator
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted
from nextlabel.server.values.labeling.answers import Answer, Candidate, ConfidenceKind, Label
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task

_FLOOR = 1e-6


def label_distribution(tokens: Sequence[TokenChoice], labels: Sequence[str]) -> tuple[Candidate, ...]:
    """Probabilities of all labels, most probable first, from the alternatives to each token of the one given.

    Where labels begin alike, the walk goes on along the tokens of the answer until they part. At each token only what
    continues a label counts, as in decoding under a grammar; labels that begin alike off the answer's path share
    their probability evenly, since the model was not asked about them. Empty without usable alternatives.
    """
    mass = dict.fromkeys(labels, 0.0)
    written, weight = "", 1.0
    for choice in tokens:
        shares = _shares(written, choice, labels)
        chosen = _continued(written + choice.token, labels)
        if not shares or not chosen:
            break
        for begun, share in shares.items():
            if begun != chosen or len(chosen) == 1:
                for label in begun:
                    mass[label] += weight * share / len(begun)
        if len(chosen) == 1:
            ranked = sorted(labels, key=lambda label: -mass[label])
            return tuple(Candidate(label, mass[label]) for label in ranked)
        weight *= shares.get(chosen, 0.0)
        written += choice.token
    return ()


def _shares(written: str, choice: TokenChoice, labels: Sequence[str]) -> dict[tuple[str, ...], float]:
    """Share of each set of labels that some alternative leaves possible; the shares add up to 1."""
    mass: dict[tuple[str, ...], float] = {}
    for token, logprob in choice.alternatives.items():
        if token and (begun := _continued(written + token, labels)):
            mass[begun] = mass.get(begun, 0.0) + math.exp(logprob)
    total = math.fsum(mass.values())
    return {begun: value / total for begun, value in mass.items()} if total > 0.0 else {}


def _continued(text: str, labels: Sequence[str]) -> tuple[str, ...]:
    """The labels that `text` begins; the quote that ends a label tells it from a longer one."""
    return tuple(label for label in labels if f'{label}"'.startswith(text) or text.startswith(f'{label}"'))


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
        stopped: BudgetExhausted | AnnotatorStopped | None = None
        try:
            async with aclosing(self._annotator.annotate(task, items)) as answers:
                async for item, answer in answers:
                    given = {candidate.label: candidate.probability for candidate in answer.candidates}
                    if set(given) == set(task.label_names) and isinstance(answer.body, Label):
                        scored.append((item, answer, {label: given[label] for label in task.label_names}))
                    else:
                        yield item, answer
        except (BudgetExhausted, AnnotatorStopped) as reason:
            stopped = reason
        corrected = batch_calibrated([distribution for _, _, distribution in scored])
        for (item, answer, _), distribution in zip(scored, corrected, strict=True):
            yield item, _relabeled(answer, distribution)
        if stopped is not None:
            raise stopped

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
