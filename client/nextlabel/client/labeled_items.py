"""Every item with what it stands for, page by page."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from nextlabel.client.literals import FilteredName
from nextlabel.client.messages.answers import plain_answer
from nextlabel.client.messages.enums import enum_name
from nextlabel.client.messages.plain import plain
from nextlabel.client.services.labeling import Labeling
from nextlabel.client.services.learner import Learner
from nextlabel.client.services.pool import Pool
from nextlabel.client.services.projects import Projects
from nextlabel.client.services.quality import Quality
from nextlabel.client.transport.calls import OfServer
from nextlabel.client.transport.connection import Connection
from nextlabel.client.transport.modes import Awaiting
from nextlabel.client.verdicts import Standing, Verdict, verdict, written
from nextlabel.v1.annotation_pb2 import (
    ANNOTATION_TYPE_MULTI_LABEL,
    ANNOTATION_TYPE_PAIRWISE_PREFERENCE,
    ANNOTATION_TYPE_SINGLE_LABEL,
    ANNOTATION_TYPE_TEXT,
)
from nextlabel.v1.learner_service_pb2 import Prediction
from nextlabel.v1.pool_pb2 import ItemDetail
from nextlabel.v1.project_service_pb2 import Project

SoftName = Literal["votes", "learner"]
"""Where soft labels come from: the shares of the votes, or the newest model's probabilities."""

_PAGE = 1_000
_OF_CLASSES = (ANNOTATION_TYPE_SINGLE_LABEL, ANNOTATION_TYPE_MULTI_LABEL)

REFERENCE = "reference"
"""Source of the known labels of items that evaluate or check."""


@dataclass(frozen=True, slots=True)
class LabeledItem:
    """An item with its label and what that rests on; `label` is None where nobody and nothing gave one.

    `vote_share` is the share of the votes, in (0, 1], that the label has, and `annotations` how many answers it rests
    on. `soft` has a number in [0, 1] for each class, and is empty where none was asked for or there is no label.
    `filtered_by` names the filters that leave the label out, None where that was not asked for. `interval` holds the
    true score in 95 % of the cases where the learner gave it; None for all other labels. `joined_by` is the way in
    which annotators' answers were joined, empty without any, None in projects that count votes.
    """

    id: str
    text: str
    label: Any
    confidence: float | None
    confidence_kind: str
    source: str
    vote_share: float | None
    trusted: bool
    annotations: int
    split: str
    state: str
    review: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    soft: Mapping[str, float] = field(default_factory=dict)
    filtered_by: str | None = None
    interval: tuple[float, float] | None = None
    joined_by: str | None = None

    def columns(self) -> dict[str, Any]:
        """The item as one row: its own columns after ours, soft labels last as `soft.CLASS`."""
        row = {name: getattr(self, name) for name in _OWN}
        if self.filtered_by is not None:
            row["filtered_by"] = self.filtered_by
        if self.joined_by is not None:
            row["joined_by"] = self.joined_by
        if self.interval is not None:
            row["low"], row["high"] = self.interval
        for key, value in self.metadata.items():
            row[f"metadata.{key}" if key in row else key] = value
        return row | {f"soft.{name}": share for name, share in self.soft.items()}


_NOT_ALWAYS = ("metadata", "soft", "filtered_by", "interval", "joined_by")
_OWN = tuple(name for name in LabeledItem.__slots__ if name not in _NOT_ALWAYS)


async def labeled_items(
    connection: Connection,
    project: str,
    *,
    ask_learner: bool,
    soft: SoftName | None,
    review_below: float,
    filtered: FilteredName,
) -> AsyncIterator[Sequence[LabeledItem]]:
    """All items of a project in pages, in the order in which they were added.

    With `ask_learner` the newest model labels what nobody has, and what it contradicts is to be looked at again. Items
    whose label enabled filters leave out are dropped, marked or kept like any other. Single texts that pairs are made
    of to rank them are no items of their own.

    Raises ValueError when the learner is asked and there is no model or no learner for what the project asks for, and
    for soft labels where there are no classes.
    """
    found: Project = await Projects(connection, Awaiting()).get(project)
    asks = ask_learner or soft == "learner"
    _check(found, asks, soft)
    classes = [one.name for one in found.label_space.classes] if soft else []
    left_out = {} if filtered == "keep" else await _left_out(connection, project)
    standing = Standing()
    async for annotation in Labeling[Awaiting, OfServer](connection, Awaiting()).annotations(project):
        standing.add(annotation)
    details = Pool[Awaiting, OfServer](connection, Awaiting()).list(project)
    async for page in _pages(details):
        page = [detail for detail in page if not _only_ranked(found, detail)]
        if filtered == "drop":
            page = [detail for detail in page if detail.item.id not in left_out]
        predicted = await _predictions(connection, project, page, len(classes)) if asks else {}
        yield [
            _labeled(
                detail,
                *_verdict(found, detail, standing, predicted if ask_learner else {}, review_below),
                _soft(detail, predicted.get(detail.item.id), classes, soft),
                left_out.get(detail.item.id, "") if filtered == "mark" else None,
                joined_by=detail.consensus.method if found.consensus not in ("", "majority") else None,
            )
            for detail in page
        ]


async def _left_out(connection: Connection, project: str) -> Mapping[str, str]:
    """The names of the filters that leave an item's label out, by its id."""
    quality = Quality[Awaiting, OfServer](connection, Awaiting())
    return {one.item_id: ", ".join(why.filter for why in one.reasons) async for one in quality.filtered(project)}


async def _pages(details: AsyncIterator[ItemDetail]) -> AsyncIterator[Sequence[ItemDetail]]:
    page: list[ItemDetail] = []
    async for detail in details:
        page.append(detail)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page


def _check(project: Project, asks: bool, soft: SoftName | None) -> None:
    if soft and project.annotation_type not in _OF_CLASSES:
        raise ValueError("soft labels are there in projects whose items have classes")
    if asks and project.annotation_type == ANNOTATION_TYPE_TEXT:
        raise ValueError("no learner is trained on texts, so that it can label none; leave it out")
    if asks and not project.model_version:
        raise ValueError(f"{project.name} has no model yet; train one first, or leave the learner out")


async def _predictions(
    connection: Connection, project: str, page: Sequence[ItemDetail], classes: int
) -> Mapping[str, Prediction]:
    ids = [detail.item.id for detail in page if detail.embedded]
    if not ids:
        return {}
    learner = Learner[Awaiting, OfServer](connection, Awaiting())
    # A reply holds so many candidates at most.
    step = max(1, 14_000 // max(1, classes))
    found: dict[str, Prediction] = {}
    for start in range(0, len(ids), step):
        part = ids[start : start + step]
        response = await learner.predict(project, item_ids=part, candidates=classes)
        found |= zip(part, response.predictions, strict=True)
    return found


def _only_ranked(project: Project, detail: ItemDetail) -> bool:
    """Whether an item is a text that is asked about in pairs alone."""
    item = detail.item
    pairs = project.annotation_type == ANNOTATION_TYPE_PAIRWISE_PREFERENCE
    return pairs and not item.HasField("pair") and "response_a" not in item.metadata


def _verdict(
    project: Project, detail: ItemDetail, standing: Standing, predicted: Mapping[str, Prediction], review_below: float
) -> tuple[Verdict, bool, int]:
    """The verdict on an item, whether it counts as truth, and on how many answers it rests."""
    consensus = detail.consensus if detail.HasField("consensus") else None
    answers = 0 if consensus is None else consensus.annotation_count
    if detail.item.HasField("reference"):
        return Verdict(plain_answer(detail.item.reference), None, "", REFERENCE, ""), True, answers
    said = standing.of(detail.item.id)
    if project.annotation_type == ANNOTATION_TYPE_TEXT:
        found, count = written(said)
        return found, any(one.trusted for one in count), len(count)
    found = verdict(consensus, said, predicted.get(detail.item.id), review_below)
    return found, consensus is not None and consensus.trusted, answers


def _labeled(
    detail: ItemDetail,
    found: Verdict,
    trusted: bool,
    answers: int,
    soft: Mapping[str, float],
    filtered_by: str | None,
    *,
    joined_by: str | None,
) -> LabeledItem:
    consensus = detail.consensus if detail.HasField("consensus") else None
    return LabeledItem(
        id=detail.item.id,
        text=detail.item.text,
        label=found.label,
        confidence=found.confidence,
        confidence_kind=found.confidence_kind,
        source=found.source,
        vote_share=None if consensus is None else consensus.probability,
        trusted=trusted,
        annotations=answers,
        split=enum_name(detail.item, "split"),
        state=enum_name(detail, "state"),
        review=enum_name(detail.need, "reason").replace("_", " ") if detail.HasField("need") else found.review,
        metadata=_pair(detail) | plain(detail.item.metadata),
        soft=soft,
        filtered_by=filtered_by,
        joined_by=joined_by,
        interval=None if found.low is None or found.high is None else (found.low, found.high),
    )


def _pair(detail: ItemDetail) -> dict[str, Any]:
    """The two texts of a pair, as metadata that the server takes for one again."""
    pair = detail.item.pair
    return {"response_a": pair.a, "response_b": pair.b} if detail.item.HasField("pair") else {}


def _soft(
    detail: ItemDetail, prediction: Prediction | None, classes: Sequence[str], soft: SoftName | None
) -> Mapping[str, float]:
    if soft == "learner":
        shares = {one.label: one.probability for one in prediction.candidates} if prediction else {}
    elif detail.item.HasField("reference"):
        known = plain_answer(detail.item.reference)
        shares = dict.fromkeys(known if isinstance(known, list) else [known], 1.0)
    else:
        shares = {one.label: one.probability for one in detail.consensus.candidates}
    return {name: shares.get(name, 0.0) for name in classes} if shares else {}
