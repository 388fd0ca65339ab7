"""Whose label an item has, how sure it is, and why a person should look again."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nextlabel.client.messages.answers import LABEL_SEPARATOR, plain_answer
from nextlabel.client.messages.enums import enum_name
from nextlabel.v1.annotation_pb2 import Annotation, Consensus
from nextlabel.v1.learner_service_pb2 import PREDICTION_SOURCE_ADVICE, PREDICTION_SOURCE_BOTH, Prediction

LEARNER = "learner"
ADVICE = "advice"
LEARNER_AND_ADVICE = "learner and advice"
NOBODY = "nobody"
NONE_APPLIES = "none of the classes"

_RESTS_ON = {PREDICTION_SOURCE_ADVICE: ADVICE, PREDICTION_SOURCE_BOTH: LEARNER_AND_ADVICE}


@dataclass(frozen=True, slots=True)
class Said:
    """What one annotator said of an item; `answer` is None where nothing usable came.

    `trusted` where it counts as truth, as a person's does.
    """

    annotator: str
    answer: Any
    outcome: str
    confidence: float | None
    confidence_kind: str
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The label of an item and what it rests on: a class, a list of classes, a score, a preference or a text.

    `low` and `high` are the ends of the 95 % interval of a score that the learner gave. `confidence` is in [0, 1], None
    where there is none; `confidence_kind` is calibrated, uncalibrated or learner. `source` names the annotators that
    gave the label, or what the model's rests on: learner, advice, or learner and advice; or nobody. `review` says why
    to look again.
    """

    label: Any
    confidence: float | None
    confidence_kind: str
    source: str
    review: str
    low: float | None = None
    high: float | None = None


class Standing:
    """The answers that stand: of each annotator about each item the newest that is one."""

    def __init__(self, annotations: Iterable[Annotation] = ()) -> None:
        self._by_item: dict[str, dict[str, Said]] = {}
        for annotation in annotations:
            self.add(annotation)

    def add(self, annotation: Annotation) -> None:
        """Take the next annotation in; they come oldest first."""
        name = annotation.provenance.annotator
        given = self._by_item.setdefault(annotation.item_id, {})
        answer = plain_answer(annotation.answer)
        if answer is None and name in given and given[name].answer is not None:
            return
        given[name] = Said(
            name,
            answer,
            enum_name(annotation, "outcome"),
            annotation.confidence if annotation.HasField("confidence") else None,
            enum_name(annotation, "confidence_kind"),
            annotation.trusted,
        )

    def of(self, item_id: str) -> Collection[Said]:
        """What was said of an item."""
        return self._by_item.get(item_id, {}).values()


def verdict(
    consensus: Consensus | None, said: Collection[Said], learner: Prediction | None, review_below: float
) -> Verdict:
    """The verdict on one item: what annotators agree on comes first, then what the learner predicts."""
    if consensus is not None:
        return _agreed(consensus, said, learner, review_below)
    nothing = _why_nothing(said)
    if learner is None:
        return Verdict(None, None, "", NOBODY, nothing or "no label")
    sure = _sureness(learner)
    confidence, kind = (None, "") if sure is None else (round(sure, 4), LEARNER)
    source = _RESTS_ON.get(learner.source, LEARNER)
    low, high = _interval(learner)
    return Verdict(_predicted(learner), confidence, kind, source, nothing or _unsure(sure, review_below), low, high)


def written(said: Collection[Said]) -> tuple[Verdict, Sequence[Said]]:
    """The verdict on an item that texts were written of, and the answers it rests on: people's where there are any.

    Of different texts none is its label: which one is best is for judges to say.
    """
    usable = [one for one in said if one.answer is not None]
    count = [one for one in usable if one.trusted] or usable
    texts = {one.answer for one in count}
    if len(texts) != 1:
        why = f"{len(texts)} texts to choose from" if texts else _why_nothing(said) or "no label"
        return Verdict(None, None, "", NOBODY, why), ()
    return Verdict(texts.pop(), None, "", ", ".join(sorted(one.annotator for one in count)), ""), count


def _predicted(learner: Prediction) -> Any:
    # Servers from before several classes and scores were learned said the class alone.
    return plain_answer(learner.answer) if learner.HasField("answer") else learner.label


def _sureness(learner: Prediction) -> float | None:
    if learner.HasField("answer_probability"):
        return learner.answer_probability
    return learner.probability if learner.label else None


def _interval(learner: Prediction) -> tuple[float | None, float | None]:
    return (learner.interval.low, learner.interval.high) if learner.HasField("interval") else (None, None)


def _unsure(sure: float | None, review_below: float) -> str:
    if sure is None:
        return "too few labels to tell how sure the learner is"
    return f"the learner is {sure:.0%} sure" if sure < review_below else ""


def _agreed(consensus: Consensus, said: Collection[Said], learner: Prediction | None, review_below: float) -> Verdict:
    label = plain_answer(consensus.answer)
    # An annotator that named candidates gave no single answer.
    voters = [one for one in said if _same(one.answer, label)] or list(said)
    source = ", ".join(sorted({one.annotator for one in voters}))
    if consensus.trusted:
        return Verdict(label, None, "", source, "")
    confidence, kind = _confidence(consensus, voters)
    return Verdict(label, confidence, kind, source, _doubt(consensus, label, confidence, learner, review_below))


def _confidence(consensus: Consensus, voters: Iterable[Said]) -> tuple[float | None, str]:
    if consensus.HasField("confidence"):
        return consensus.confidence, "calibrated"
    sure = [(one.confidence, one.confidence_kind) for one in voters if one.confidence is not None]
    return max(sure, default=(None, ""))


def _doubt(
    consensus: Consensus, label: Any, confidence: float | None, learner: Prediction | None, review_below: float
) -> str:
    if confidence is not None and confidence < review_below:
        return f"the annotator is {confidence:.0%} sure"
    if consensus.annotation_count > 1 and consensus.probability < 1.0:
        return f"annotators disagree: {consensus.probability:.0%} of the votes"
    return "" if learner is None else _contradiction(label, learner)


def _contradiction(label: Any, learner: Prediction) -> str:
    """What the learner says instead; of scores, only where the label lies outside its interval."""
    found = _predicted(learner)
    if isinstance(found, float):
        low, high = _interval(learner)
        if low is None or high is None or low <= label <= high:
            return ""
        return f"the learner says {found:.3g}, from {low:.3g} to {high:.3g}"
    if _same(found, label):
        return ""
    if isinstance(found, list):
        return f"the learner says {LABEL_SEPARATOR.join(found) or NONE_APPLIES}"
    return f"the learner says {found!r}"


def _same(one: Any, other: Any) -> bool:
    """Whether two answers are the same; classes are in no order."""
    if isinstance(one, list) and isinstance(other, list):
        return set(one) == set(other)
    return bool(one == other)


def _why_nothing(said: Collection[Said]) -> str:
    """Why there is no label though somebody was asked; "" when nobody was."""
    last = next(reversed(list(said)), None)
    return "" if last is None else f"{last.annotator}: {last.outcome}"
