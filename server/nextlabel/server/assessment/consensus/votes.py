"""What the annotations of one item add up to.

Trusted annotations (people, replay of known truth) outvote all others: a language model never overrides a person.
Among equals every annotator has one vote, spread over its candidates where it named several; a calibrated
confidence weighs the vote. That is majority vote: it knows nothing of who errs how often. Models that do, as
Dawid-Skene, are better where annotators differ, also at three answers an item; they need many items and assume that
errors are independent, which those of language models are not. Where a project names one, it takes the place of votes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.agreement.copies import independent
from nextlabel.server.assessment.consensus.joining import Joining
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Body, ConfidenceKind, Label
from nextlabel.server.values.projects.projects import MAJORITY

TIE = 1e-6
"""Shares of votes that differ by less are even."""
_NEVER_NONE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Consensus:
    """The consensus of one item.

    ``vote_share`` is that of the answer in [0, 1]; ``probabilities_C`` are the shares of all classes in the order of
    the label space. ``trusted`` says that only trusted annotations were counted. ``confidence`` is the probability in
    [0, 1] that the answer is right, None where nothing says so: a share of votes does not. ``split`` says that the
    votes are even between this answer and another.

    ``method`` is the way in which the answers were joined. Where that is no count of votes, ``probabilities_C`` are
    those of the classes by the annotators' errors, and ``probability`` is that of the answer; the share of the votes
    still says how far annotators differ.
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
    method: str = MAJORITY
    probability: float | None = None

    @property
    def doubt(self) -> float:
        """How probable it is that the answer is another one, as far as the answers themselves tell."""
        return 1 - (self.vote_share if self.probability is None else self.probability)

    @property
    def label(self) -> str:
        """The class, where one applies; '' for other answers."""
        return self.body.name if isinstance(self.body, Label) else ""


def consensus(
    annotations: Sequence[Annotation], classes: Sequence[str], joining: Joining | None = None
) -> Consensus | None:
    """Return the consensus of one item's annotations, None when none of them carries a label.

    Ties go to the class that comes first in the label space, so that the result is the same on every machine.
    Only an annotator's newest answer counts. ``joining`` says how often annotators err; without it all are equal. The
    answer of people is always one that one of them gave.
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
    share_C = votes / total
    joined_C = None if joining is None else _joined(trusted or voters, place, joining)
    if joined_C is not None and trusted:
        joined_C = np.where(votes > 0, joined_C + _NEVER_NONE, 0.0)
        joined_C /= joined_C.sum()
    known_C = share_C if joined_C is None else joined_C
    best = int(known_C.argmax())
    # Whom people should ask is settled by their votes; which model errs less, by what is known of models.
    even_C = share_C if trusted else known_C
    return Consensus(
        row=voters[0].row,
        item_id=voters[0].item_id,
        body=Label(classes[best]),
        vote_share=float(share_C[best]),
        probabilities_C=known_C.astype(np.float32),
        trusted=bool(trusted),
        annotations=len(trusted or voters),
        confidence=None if trusted else undisputed_confidence(voters, Label(classes[best])),
        split=len(trusted or voters) > 1 and bool((even_C > even_C.max() - TIE).sum() > 1),
        method=MAJORITY if joining is None or joined_C is None else joining.method,
        probability=None if joined_C is None else float(joined_C[best]),
    )


def _joined(
    counted: Sequence[Annotation], place: Mapping[str, int], joining: Joining
) -> npt.NDArray[np.float64] | None:
    """Return the class probabilities by how often annotators err, copies left out; None where none names one class."""
    answers = {a.annotator: place[name] for a in independent(counted) if (name := a.label or "") in place}
    return joining.probabilities(counted[0].row, answers) if answers else None


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
