"""What the annotations of one item add up to.

Trusted annotations (people, replay of known truth) outvote all others: a language model never overrides a person.
Among equals every annotator has one vote, spread over its candidates where it named several; a calibrated
confidence weighs the vote. That is majority vote: it knows nothing of who errs how often. Models that do, as
Dawid-Skene, are better where annotators differ, also at three answers an item; they need many items and assume that
errors are independent, which those of language models are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Body, ConfidenceKind, Label

TIE = 1e-6
"""Shares of votes that differ by less are even."""


@dataclass(frozen=True, slots=True, eq=False)
class Consensus:
    """The consensus of one item.

    ``vote_share`` is that of the answer in [0, 1]; ``probabilities_C`` are the shares of all classes in the order of
    the label space. ``trusted`` says that only trusted annotations were counted. ``confidence`` is the probability in
    [0, 1] that the answer is right, None where nothing says so: a share of votes does not. ``split`` says that the
    votes are even between this answer and another.
    """

    row: int
    item_id: str
    body: Body
    vote_share: float
    probabilities_C: npt.NDArray[np.float32]
    trusted: bool
    annotations: int
    confidence: float | None = None
    split: bool = False

    @property
    def label(self) -> str:
        """The class, where one applies; '' for other answers."""
        return self.body.name if isinstance(self.body, Label) else ""


def consensus(annotations: Sequence[Annotation], classes: Sequence[str]) -> Consensus | None:
    """Return the consensus of one item's annotations, None when none of them carries a label.

    Ties go to the class that comes first in the label space, so that the result is the same on every machine.
    Only an annotator's newest answer counts.
    """
    voters = newest_answers(annotations, Label)
    trusted = [a for a in voters if a.trusted]
    votes = np.zeros(len(classes), np.float64)
    place = {name: i for i, name in enumerate(classes)}
    for annotation in trusted or voters:
        _add_vote(votes, annotation, place)
    total = votes.sum()
    if not total:
        return None
    best = int(votes.argmax())
    share_C = (votes / total).astype(np.float32)
    return Consensus(
        row=voters[0].row,
        item_id=voters[0].item_id,
        body=Label(classes[best]),
        vote_share=float(votes[best] / total),
        probabilities_C=share_C,
        trusted=bool(trusted),
        annotations=len(trusted or voters),
        confidence=None if trusted else undisputed_confidence(voters, Label(classes[best])),
        split=len(trusted or voters) > 1 and bool((share_C > share_C[best] - TIE).sum() > 1),
    )


def newest_answers(annotations: Sequence[Annotation], kind: type[Body]) -> list[Annotation]:
    """Return the newest annotation of every annotator among those that hold an answer of a kind."""
    newest = {a.annotator: a for a in sorted(annotations, key=lambda a: a.id) if isinstance(a.answer.body, kind)}
    return list(newest.values())


def undisputed_confidence(voters: Sequence[Annotation], body: Body) -> float | None:
    """Return the highest calibrated confidence in an answer that nobody contradicts.

    That another annotator agrees makes the answer more probable, by how much depends on what errors they share.
    """
    if any(a.answer.body != body for a in voters):
        return None
    answers = [a.answer for a in voters if a.answer.confidence_kind is ConfidenceKind.CALIBRATED]
    return max((a.confidence for a in answers if a.confidence is not None), default=None)


def _add_vote(votes: npt.NDArray[np.float64], annotation: Annotation, place: dict[str, int]) -> None:
    answer = annotation.answer
    candidates = [(c.label, c.probability) for c in answer.candidates if c.label in place and c.probability > 0]
    weight = 1.0
    if answer.confidence_kind is ConfidenceKind.CALIBRATED and answer.confidence is not None and len(place) > 1:
        # A calibrated 1/C is a guess and says nothing; a calibrated 1 is a full vote.
        weight = max(1e-3, (answer.confidence - 1 / len(place)) / (1 - 1 / len(place)))
    if candidates:
        total = sum(p for _, p in candidates)
        for label, p in candidates:
            votes[place[label]] += weight * p / total
    elif annotation.label in place:
        votes[place[annotation.label]] += weight
