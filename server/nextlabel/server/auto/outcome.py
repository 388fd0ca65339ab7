"""What every row of the file got: a label, how sure, from whom, and whether a person should look again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from nextlabel.client.known_labels import KNOWN
from nextlabel.client.messages.answers import plain_answer
from nextlabel.server.auto.job import PROJECT
from nextlabel.server.auto.source import SourceRow

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.v1.annotation_pb2 import Annotation, Consensus
    from nextlabel.v1.learner_service_pb2 import Prediction

ADDED = ("label", "confidence", "confidence_kind", "source", "review")
_PREDICTED = 1_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row's label. ``confidence`` is in [0, 1], None where there is none; ``review`` says why to look again."""

    label: str
    confidence: float | None
    confidence_kind: str
    source: str
    review: str


@dataclass(slots=True)
class Tally:
    """How many rows were labeled by whom, and how many need another look."""

    sources: Counter[str] = field(default_factory=Counter)
    review: int = 0
    rows: int = 0


def added_names(names: Sequence[str]) -> Mapping[str, str]:
    """Return what the added columns are called: their own names, or longer ones where the file has such already.

    >>> added_names(["text", "label"])["label"]
    'nextlabel_label'
    """
    return {name: f"nextlabel_{name}" if name in names else name for name in ADDED}


def outcomes(
    client: Client,
    rows: Iterable[SourceRow],
    names: Sequence[str],
    review_below: float,
    refused: Mapping[str, str],
    tally: Tally,
) -> Iterator[dict[str, Any]]:
    """Yield every row with its own columns and the added ones, in the order of the file.

    Rows without a text, and those of ``refused`` items (why, by id), have no label and say so.
    """
    given = _answers(client)
    agreed = {consensus.item_id: consensus for consensus in client.labeling.list_consensus(PROJECT)}
    has_model = client.projects.get(PROJECT).model_version > 0
    added = added_names(names)
    remaining = iter(rows)
    while part := list(islice(remaining, _PREDICTED)):
        asked = [row for row in part if row.item_id and row.item_id not in refused]
        predicted = _predictions(client, asked) if has_model else {}
        for row in part:
            if not row.known and (why := refused.get(row.item_id) if row.item_id else "no text"):
                verdict = Verdict("", None, "", "nobody", why)
            else:
                verdict = _verdict(row, agreed.get(row.item_id), given.get(row.item_id, ()), predicted, review_below)
            tally.rows += 1
            tally.sources[verdict.source] += 1
            tally.review += bool(verdict.review)
            values = {added[name]: getattr(verdict, name) for name in ADDED}
            yield {**row.columns, **values}


def _verdict(
    row: SourceRow,
    consensus: Consensus | None,
    answers: Sequence[Annotation],
    predicted: Mapping[str, Prediction],
    review_below: float,
) -> Verdict:
    learner = predicted.get(row.item_id)
    if row.known:
        return Verdict(row.known, None, "", "known", "")
    if consensus is not None:
        label = str(plain_answer(consensus.answer))
        # An annotator that named candidates gave no single answer.
        voters = [a for a in answers if plain_answer(a.answer) == label] or answers
        source = ", ".join(sorted({a.provenance.annotator for a in voters}))
        if consensus.trusted:
            return Verdict(label, None, "", source, "")
        sure = [a for a in voters if a.HasField("confidence")]
        confidence = max((a.confidence for a in sure), default=None)
        kind = _kind(sure[0]) if sure else ""
        return Verdict(label, confidence, kind, source, _doubt(label, confidence, learner, review_below))
    if learner is None:
        return Verdict("", None, "", "nobody", _why_nothing(answers) or "no label and no model")
    doubt = f"the learner is {learner.probability:.0%} sure" if learner.probability < review_below else ""
    return Verdict(learner.label, round(learner.probability, 4), "learner", "learner", _why_nothing(answers) or doubt)


def _doubt(label: str, confidence: float | None, learner: Prediction | None, review_below: float) -> str:
    if confidence is not None and confidence < review_below:
        return f"the annotator is {confidence:.0%} sure"
    if learner is not None and learner.label != label:
        return f"the learner says {learner.label!r}"
    return ""


def _why_nothing(answers: Sequence[Annotation]) -> str:
    """Say why there is no label though somebody was asked; '' when nobody was."""
    from nextlabel.v1.annotation_pb2 import Outcome

    if not answers:
        return ""
    last = answers[-1]
    outcome = Outcome.Name(last.outcome).removeprefix("OUTCOME_").lower()
    return f"{last.provenance.annotator}: {outcome}"


def _kind(annotation: Annotation) -> str:
    from nextlabel.v1.annotation_pb2 import ConfidenceKind

    return ConfidenceKind.Name(annotation.confidence_kind).removeprefix("CONFIDENCE_KIND_").lower()


def _answers(client: Client) -> Mapping[str, Sequence[Annotation]]:
    found: dict[str, list[Annotation]] = {}
    for annotation in client.labeling.annotations(PROJECT):
        if annotation.provenance.annotator != KNOWN:
            found.setdefault(annotation.item_id, []).append(annotation)
    return found


def _predictions(client: Client, rows: Sequence[SourceRow]) -> Mapping[str, Prediction]:
    ids = list(dict.fromkeys(row.item_id for row in rows if not row.known))
    if not ids:
        return {}
    response = client.learner.predict(PROJECT, item_ids=ids)
    return dict(zip(ids, response.predictions, strict=True))
