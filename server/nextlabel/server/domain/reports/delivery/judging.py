"""Whose label each item has, and whether a person has to look at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nextlabel.server.assessment.calibration import Calibrator
from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.assessment.routing.acceptance import Promise
from nextlabel.server.assessment.routing.sources import (
    SourceProof,
    SourceScores,
    calibrator_of,
    chosen,
    expected_accuracy,
    proofs,
    together,
)
from nextlabel.server.domain.learning.suggestions import LEARNER
from nextlabel.server.domain.learning.types.task_learner import PredictedAnswer
from nextlabel.server.domain.quality.acceptance import score_of
from nextlabel.server.domain.reports.delivery.evidence import UNKNOWN_SCORE, DeliveryEvidence, Floats, vote_score
from nextlabel.server.domain.reports.delivery.labels import DeliveredLabel, DeliverySummary, LabelSource, LookReason
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import ConfidenceKind
from nextlabel.server.values.money.costs import Cost


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Labels items one by one. People come first, then the proven source's labels, then votes, then the learner.

    ``answers`` are those of the proven source, by row, where it is an annotator.
    """

    accepted: SourceProof | None
    answers: Mapping[int, Annotation]
    learner: Calibrator | None
    summary: DeliverySummary

    def labeled(
        self,
        row: int,
        agreed: Consensus | None,
        given: Sequence[Annotation],
        predicted: PredictedAnswer | None,
    ) -> DeliveredLabel:
        """Return the label of an item that is not of the holdout or gold."""
        if agreed is not None and agreed.trusted:
            names = sorted({a.annotator for a in given if a.trusted and a.answer.body == agreed.body})
            return DeliveredLabel(agreed.body, LabelSource.PEOPLE, names, joined_by=agreed.method)
        proven = self._proven(row, predicted)
        if proven is not None:
            return proven
        look = self._look(row, predicted)
        if agreed is not None:
            return _voted(agreed, given, look)
        if predicted is not None:
            return self._learned(predicted, look)
        return DeliveredLabel(None, LabelSource.NOBODY, look=LookReason.NO_LABEL)

    def _proven(self, row: int, predicted: PredictedAnswer | None) -> DeliveredLabel | None:
        """Return the proven source's label, where it is sure enough."""
        if self.accepted is None or self.accepted.certificate is None:
            return None
        threshold = self.accepted.certificate.threshold
        if self.accepted.name == LEARNER:
            sure = predicted is not None and predicted.probability is not None and predicted.probability >= threshold
            return self._learned(predicted, None) if predicted is not None and sure else None
        answer = self.answers.get(row)
        if answer is None or score_of(answer) < threshold:
            return None
        given = answer.answer
        return DeliveredLabel(
            body=given.body,
            source=LabelSource.LLM,
            annotators=[answer.annotator],
            confidence=given.confidence,
            kind=given.confidence_kind,
            score=score_of(answer),
        )

    def _learned(self, predicted: PredictedAnswer, look: LookReason | None) -> DeliveredLabel:
        score = predicted.probability
        confidence, kind = score, ConfidenceKind.NONE if score is None else ConfidenceKind.UNCALIBRATED
        if self.learner is not None and score is not None:
            confidence, kind = self.learner.probability({"score": score}), ConfidenceKind.CALIBRATED
        of_proven = score if self.accepted is not None and self.accepted.name == LEARNER else None
        return DeliveredLabel(
            body=predicted.body,
            source=LabelSource.LEARNER,
            annotators=[LEARNER],
            confidence=confidence,
            kind=kind,
            score=of_proven,
            look=look,
        )

    def _look(self, row: int, predicted: PredictedAnswer | None) -> LookReason:
        if self.accepted is None:
            return LookReason.UNPROVEN
        has_label = predicted is not None if self.accepted.name == LEARNER else row in self.answers
        return LookReason.BELOW_THRESHOLD if has_label else LookReason.OTHER_SOURCE


def _voted(agreed: Consensus, given: Sequence[Annotation], look: LookReason) -> DeliveredLabel:
    voters = [a for a in given if a.answer.body == agreed.body]
    names = sorted({a.annotator for a in voters or given if a.answer.body is not None})
    confidence, kind = agreed.confidence, ConfidenceKind.CALIBRATED
    if confidence is None:
        raw = [a.answer.confidence for a in voters if a.answer.confidence is not None]
        confidence, kind = max(raw, default=None), ConfidenceKind.UNCALIBRATED if raw else ConfidenceKind.NONE
    return DeliveredLabel(
        body=agreed.body,
        source=LabelSource.LLM,
        annotators=names,
        confidence=confidence,
        kind=kind,
        look=look,
        joined_by=agreed.method,
    )


def summarize(evidence: DeliveryEvidence, promise: Promise, spent: Cost, version: int) -> Judge:
    """Test every source under a promise, choose one, and tell what all labels together are worth."""
    sources, not_tested = _sources(evidence, version)
    found = proofs(sources, promise)
    best = chosen(found)
    answers = {} if best is None or best.name == LEARNER else evidence.answers(best.name)
    learner = evidence.learner()
    groups = _groups(evidence, best, answers)
    accuracy = _accuracy(evidence, learner, groups)
    people = int(evidence.by_people().sum())
    counts = {
        LabelSource.PEOPLE: people,
        LabelSource.LLM: len(groups.voted),
        LabelSource.LEARNER: len(groups.learned),
    }
    nobody = len(evidence.rows_n) - sum(counts.values())
    summary = DeliverySummary(
        promise=promise,
        tested=found,
        accepted_by=best.name if best else "",
        not_tested=not_tested,
        items=counts | {LabelSource.NOBODY: nobody},
        accepted=people + groups.accepted,
        accuracy=accuracy,
        spent=spent,
        model_version=version,
    )
    return Judge(best, answers, calibrator_of(learner.gold_G, learner.right_G), summary)


def _sources(evidence: DeliveryEvidence, version: int) -> tuple[Sequence[SourceScores], dict[str, str]]:
    names = evidence.annotators()
    if evidence.project.annotation_type is not AnnotationType.SINGLE_LABEL:
        return (), dict.fromkeys([LEARNER, *names], "promises are made for single labels only")
    sources, not_tested = [], {}
    learner = evidence.learner()
    if not version:
        not_tested[LEARNER] = "there is no model yet"
    elif not len(learner.gold_G):
        not_tested[LEARNER] = "there is no gold item with an embedding"
    else:
        sources.append(learner)
    for name in names:
        found = evidence.annotator(name, evidence.answers(name))
        if isinstance(found, str):
            not_tested[name] = found
        else:
            sources.append(found)
    return sources, not_tested


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """Scores of the labels by votes and by the learner, without those of people, and how many are accepted."""

    voted: Floats
    learned: Floats
    accepted: int


def _groups(evidence: DeliveryEvidence, best: SourceProof | None, answers: Mapping[int, Annotation]) -> _Groups:
    rows_m = evidence.rows_n[~evidence.by_people()]
    scores_m = evidence.predicted_N[rows_m]
    threshold = best.certificate.threshold if best is not None and best.certificate is not None else np.inf
    sure_m = np.zeros(len(rows_m), np.bool_)
    voted = {row: vote_score(agreed, evidence.by_row[row]) for row, agreed in evidence.consensus.items()}
    if best is not None and best.name == LEARNER:
        sure_m = scores_m >= threshold
        by_vote_m = np.isin(rows_m, np.fromiter(voted, np.int64, len(voted))) & ~sure_m
    else:
        accepted = [row for row, answer in answers.items() if score_of(answer) >= threshold]
        sure_m = np.isin(rows_m, np.fromiter(accepted, np.int64, len(accepted)))
        by_vote_m = np.isin(rows_m, np.fromiter(voted, np.int64, len(voted))) | sure_m
        voted |= {row: score_of(answers[row]) for row in accepted}
    learned = scores_m[~by_vote_m & ~np.isnan(scores_m)]
    votes = np.array([voted[row] for row in rows_m[by_vote_m].tolist()], np.float64)
    return _Groups(votes, learned, int(sure_m.sum()))


def _accuracy(evidence: DeliveryEvidence, learner: SourceScores, groups: _Groups) -> Estimate | None:
    """Return the accuracy of all labels; None where there are labels of which gold tells nothing."""
    people = int(evidence.by_people().sum())
    parts = [(people, Estimate(1.0, 1.0, 1.0, 0))] if people else []
    for scores, (gold_G, right_G) in (
        (groups.voted, evidence.voted_gold()),
        (groups.learned, (learner.gold_G, learner.right_G)),
    ):
        if not len(scores):
            continue
        calibrator = calibrator_of(_known(gold_G), right_G)
        confidences = np.zeros(0) if calibrator is None else calibrator.probabilities(scores)
        found = expected_accuracy(_known(gold_G), right_G, confidences)
        if found is None:
            return None
        parts.append((len(scores), found))
    return together(parts)


def _known(scores_G: Floats) -> Floats:
    return np.nan_to_num(scores_G, nan=UNKNOWN_SCORE)
