"""What a reader of labels has to know: where they come from, what they cost, and how far they can be trusted.

Every figure is one that the service has; a figure that is not there says why.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import Message

from nextlabel.client.errors import NextlabelError
from nextlabel.client.export.terms import NO_TERMS, Terms
from nextlabel.client.known_labels import KNOWN
from nextlabel.client.labeled_items import REFERENCE, LabeledItem
from nextlabel.client.literals import FilteredName
from nextlabel.client.messages.gold_askings import newest_compared
from nextlabel.client.messages.plain import plain
from nextlabel.client.verdicts import ADVICE, LEARNER, LEARNER_AND_ADVICE, NOBODY

if TYPE_CHECKING:
    from nextlabel.client.handles import ProjectHandle
    from nextlabel.client.transport.modes import Blocking

Record = Mapping[str, Any]

PEOPLE = "people"
BEFOREHAND = "labels known beforehand"
MIXED = "several kinds of annotators"
_PREDICTED = {LEARNER: "the learner", LEARNER_AND_ADVICE: "the learner with advice", ADVICE: "advice alone"}
_KINDS = {"human": PEOPLE, "llm": "LLMs", "replay": BEFOREHAND, LEARNER: "the learner"}
_ORDER = (PEOPLE, BEFOREHAND, "LLMs", MIXED, *_PREDICTED.values(), NOBODY)


@dataclass(frozen=True, slots=True)
class Datasheet:
    """The figures of a project's labels, all of them JSON values as `plain` makes them.

    `advice` counts answers that were kept as advice, by the model that gave them: no labels, but heard by the learner.
    `labeled_by` and `classes` count items of the pool: by who gave their label, and by label. `models` and `prompts`
    count answers by the model that gave them and by the prompt, `guidelines_answers` by the version of the guidelines.
    `filters` are the enabled ones with the number of `labels` that each names, and `filtered` what became of those.
    `reports` are those of annotators beside gold and each other, `askings` the times that they were asked about gold,
    the oldest first. `sliced_by` is the metadata field by which `accuracy`
    and `reports` have slices, empty for none. `license` and `cite_as` are the terms, empty if not said.
    """

    project: Record
    written: str
    labeled_by: Mapping[str, int]
    classes: Mapping[str, int]
    to_review: int
    annotators: Sequence[Record]
    reports: Sequence[Record]
    askings: Sequence[Record]
    models: Mapping[str, int]
    advice: Mapping[str, int]
    prompts: int
    guidelines: Sequence[Record]
    guidelines_answers: Mapping[str, int]
    runs: Sequence[Record]
    spent: Record
    accuracy: Record
    shares: Record
    consensus: Record
    filters: Sequence[Record]
    filtered: FilteredName
    sliced_by: str
    license: str
    cite_as: str

    @property
    def human_share(self) -> float | None:
        """Share of the labels of pool items, in [0, 1], that a person gave or confirmed.

        Labels known beforehand do not count, as nobody recorded who gave them; None without others.
        """
        labels = sum(count for who, count in self.labeled_by.items() if who not in (NOBODY, BEFOREHAND))
        return self.labeled_by.get(PEOPLE, 0) / labels if labels else None

    @property
    def predicted(self) -> int:
        """Labels that the learner gave, with advice or without."""
        return sum(self.labeled_by.get(who, 0) for who in _PREDICTED.values())

    @property
    def asked(self) -> int:
        """Labels that annotators gave other than people, whose accuracy is not the model's."""
        known = sum(self.labeled_by.get(who, 0) for who in (PEOPLE, BEFOREHAND, NOBODY))
        return sum(self.labeled_by.values()) - known - self.predicted

    @property
    def fallen(self) -> Sequence[Record]:
        """The newest comparisons of annotators that then answered gold worse than before."""
        return [one for one in newest_compared(self.askings) if one["change"]["fallen"]]

    def told_human_share(self) -> str:
        """The share in words, with what it leaves out."""
        beforehand = self.labeled_by.get(BEFOREHAND, 0)
        if self.human_share is None and not beforehand:
            return "No item has a label."
        said = "not known" if self.human_share is None else f"{self.human_share:.1%} of the labels"
        left_out = f"; who gave the {beforehand:,} known beforehand was not recorded" if beforehand else ""
        return f"Human share: {said}{left_out}."

    def accuracy_figures(self) -> Iterable[tuple[str, Record]]:
        """Every figure of accuracy that there is, with what it is about."""
        for of, key in (("labels that people did not give", "labels"), ("newest model", "model")):
            yield from ((of, figure) for figure in self.accuracy.get(key) or ())
        for one in self.accuracy.get("annotators") or ():
            yield from ((f"{one['annotator']} on the whole pool", figure) for figure in one["figures"])

    def figures(self) -> dict[str, Any]:
        """Everything as one JSON object."""
        told = [name for name in self.__slots__ if self.filters or name not in ("filters", "filtered")]
        return {name: getattr(self, name) for name in told} | {"human_share": self.human_share}


class Counts:
    """What the items of an export add up to, counted as they pass."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._kinds = kinds
        self.labeled_by: Counter[str] = Counter()
        self.classes: Counter[str] = Counter()
        self.to_review = 0

    def passing(self, items: Iterable[LabeledItem]) -> Iterable[LabeledItem]:
        """The items as they are."""
        for item in items:
            self._count(item)
            yield item

    def row(self, row: Record) -> None:
        """Count an item that was written as a row."""
        self._add(row["source"], row["label"], row["review"])

    def _count(self, item: LabeledItem) -> None:
        self._add(item.source, item.label, item.review)

    def _add(self, source: str, given: Any, review: str) -> None:
        if source == REFERENCE:
            return
        self.labeled_by[self._who(source)] += 1
        for label in given if isinstance(given, list) else [given]:
            # Numbers are as many as items.
            if isinstance(label, str) and len(label) <= _LONGEST_CLASS:
                self.classes[label] += 1
        self.to_review += bool(review) and source != NOBODY

    def _who(self, source: str) -> str:
        if source == NOBODY or source in _PREDICTED:
            return _PREDICTED.get(source, source)
        kinds = {self._kinds.get(name, MIXED) for name in source.split(", ")}
        if PEOPLE in kinds:
            return PEOPLE
        return kinds.pop() if len(kinds) == 1 else MIXED


_LONGEST_CLASS = 200
_NO_FIGURE = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNIMPLEMENTED)


def annotator_kinds(annotators: Iterable[Record]) -> Mapping[str, str]:
    """What each annotator is, for people."""
    kinds = {str(one["name"]): _KINDS.get(one["kind"], str(one["kind"])) for one in annotators}
    if KNOWN in kinds:
        kinds[KNOWN] = BEFOREHAND
    return kinds


def collected(
    project: "ProjectHandle[Blocking]",
    counts: Counts,
    annotators: Sequence[Record],
    filtered: FilteredName,
    sliced_by: str = "",
    terms: Terms = NO_TERMS,
) -> Datasheet:
    """The datasheet of a project whose items have passed `counts`."""
    guidelines = [plain(version) for version in project.guidelines.list()]
    versions = {one["text_hash"]: f"version {one['version']}" for one in guidelines}
    models: Counter[str] = Counter()
    prompts: set[str] = set()
    by_version: Counter[str] = Counter()
    for annotation in project.labeling.annotations():
        origin = plain(annotation.provenance)
        if model := _model(origin):
            models[model] += 1
            prompts.add(origin["prompt_hash"])
            by_version[versions.get(origin["guidelines_hash"], "none, or one that is gone")] += 1
    found = plain(project.get())
    return Datasheet(
        project=found,
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        labeled_by={who: counts.labeled_by[who] for who in _ORDER if counts.labeled_by[who]},
        classes={} if found["annotation_type"] == "text" else dict(counts.classes.most_common()),
        to_review=counts.to_review,
        annotators=annotators,
        reports=_reports(project, sliced_by),
        askings=_told(project.quality.annotator_drift).get("askings") or [],
        models=dict(models.most_common()),
        advice=_advice(project),
        prompts=len(prompts),
        guidelines=guidelines,
        guidelines_answers=dict(by_version),
        runs=[plain(run) for run in project.runs.list()],
        spent=plain(project.reports.overview())["spent"] or {},
        accuracy=_told(lambda: project.quality.accuracy(by=sliced_by)),
        shares=_told(project.quality.class_shares),
        consensus=_told(project.quality.consensus),
        filters=_filters(project),
        filtered=filtered,
        sliced_by=sliced_by,
        license=terms.license,
        cite_as=terms.cite_as,
    )


def _model(origin: Record) -> str:
    """The model that gave an answer; empty where none did."""
    if origin.get("answered_model") or not origin.get("requested_model"):
        return str(origin.get("answered_model", ""))
    return f"{origin['requested_model']} (asked for; the reply named none)"


def _advice(project: "ProjectHandle[Blocking]") -> Mapping[str, int]:
    if not any(run.spec.advice for run in project.runs.list()):
        return {}
    lines = (line for part in project.labeling.export(form="advice") for line in part.splitlines())
    origins = (json.loads(line)["provenance"] for line in lines)
    return dict(Counter(_model(origin) or str(origin["annotator"]) for origin in origins).most_common())


def _reports(project: "ProjectHandle[Blocking]", sliced_by: str) -> Sequence[Record]:
    """What each annotator is worth; its parts are left out where no item that was answered has the field."""
    try:
        return [plain(one) for one in project.reports.annotators(by=sliced_by)]
    except NextlabelError as error:
        if not sliced_by or error.code is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        return [plain(one) for one in project.reports.annotators()]


def _filters(project: "ProjectHandle[Blocking]") -> Sequence[Record]:
    enabled = [plain(one) for one in project.quality.filters() if one.enabled]
    counts = {one.filter: one.labels for one in project.quality.filter_counts()} if enabled else {}
    return [{**one, "labels": counts.get(one["name"], 0)} for one in enabled]


def _told(ask: Callable[[], Message]) -> Record:
    """What the service answers, or under `missing` why it has no such figures for this project."""
    try:
        return dict(plain(ask()))
    except NextlabelError as error:
        if error.code not in _NO_FIGURE:
            raise
        return {"missing": error.message}
