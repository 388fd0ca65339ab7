"""What a `Labeler` has open: an engine with one project, the texts in it, and who labels them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from nextlabel.client.cli.files.adding import wait_until_embedded
from nextlabel.client.clients import Client
from nextlabel.client.errors import NextlabelError
from nextlabel.client.items import content_id
from nextlabel.client.known_labels import KNOWN, is_drawn
from nextlabel.client.messages.answers import plain_answer
from nextlabel.client.messages.enums import enum_name
from nextlabel.client.specs import run_spec
from nextlabel.client.verdicts import Standing
from nextlabel.server.auto.annotators import Choice, ChosenAnnotator, chosen
from nextlabel.server.auto.following import follow
from nextlabel.server.auto.job import PROJECT, Job
from nextlabel.server.auto.outcome import Tally, outcomes
from nextlabel.server.auto.rows import SourceRow
from nextlabel.server.embedded.answers import Kind, LabelerAnswers, same
from nextlabel.server.embedded.engine import Engine
from nextlabel.server.embedded.folders import PassingFolder
from nextlabel.server.embedded.functions import FUNCTION, FunctionAsked
from nextlabel.server.embedded.plan import LabelerPlan
from nextlabel.server.embedded.summary import LabelerSummary
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.v1.budget_service_pb2 import LEDGER_ENTRY_KIND_SETTLE

if TYPE_CHECKING:
    import pandas as pd

    from nextlabel.v1.project_service_pb2 import Project


class LabelingFailedError(RuntimeError):
    """The annotator could not go on; what it had labeled is kept, and `partial_fit` goes on from there."""


class LabelerSession:
    """An open engine with the project of a `Labeler`, until `close`.

    Attributes:
        opening: what it was opened with.
        passing: the folder that goes with it, where it keeps nothing.
        answers: those of the project, or of the parameters before there is one.
        rows: what was given to the newest fit, in its order, and added since.
        index: a name for each row; None for their numbers.
    """

    answers: LabelerAnswers
    rows: Sequence[SourceRow]
    index: pd.Index[Any] | None
    _there: dict[str, SourceRow]
    _refused: dict[str, str]
    _outcome: tuple[float, Sequence[Mapping[str, Any]], Tally] | None

    def __init__(self, plan: LabelerPlan, answers: LabelerAnswers | None, passing: PassingFolder | None = None) -> None:
        """Open the folder of the plan, or a passing one, and what labels.

        Args:
            answers: those of the parameters, if they name some.

        Raises:
            ValueError: the plan lacks what its annotator needs.
            DomainError: the folder is in use, not writable, or of a newer version; there is no local model.
        """
        self.opening = plan.opening
        self.passing = None if plan.folder else passing or PassingFolder()
        self.is_open = False
        self._empty()
        with ExitStack() as stack:
            self._annotator = _chosen(stack, plan)
            self._engine = Engine(plan.folder or _path(self.passing), _settings(plan, self._annotator))
            stack.callback(self._engine.close)
            if there := self.class_names:
                self.answers = answers or LabelerAnswers.of(plan.kind, there)
                self._check(self.answers)
                self._there = _rows_there(self.client)
                self.rows = list(self._there.values())
            self._stack = stack.pop_all()
        self.is_open = True

    def _empty(self) -> None:
        self.rows, self.index, self._ended = [], None, ""
        self._there, self._refused, self._outcome = {}, {}, None

    @property
    def client(self) -> Client:
        """The client of the engine. Raises RuntimeError in a fork of the process that opened it."""
        return self._engine.client

    @property
    def job(self) -> Job:
        """What the engine is asked to do."""
        return Job(self.client)

    @property
    def has_project(self) -> bool:
        """Whether there is anything yet."""
        return bool(self._projects)

    @property
    def class_names(self) -> Sequence[str]:
        """Names of the classes of the project, in their order; none before there is one."""
        return [one.name for project in self._projects for one in project.label_space.classes]

    @property
    def _projects(self) -> Sequence[Project]:
        """The project, if there is one."""
        return [project for project in self.client.projects.list() if project.name == PROJECT]

    def close(self) -> None:
        """Close the engine, and what labels; again is no error."""
        self.is_open = False
        self._stack.close()

    def forget(self) -> None:
        """Remove a passing folder."""
        if self.passing is not None:
            self.passing.remove()

    def begin_anew(self) -> None:
        """Forget all texts and labels."""
        if self.has_project:
            self.client.projects.delete(PROJECT)
        self._empty()

    def prepare(self, answers: LabelerAnswers, guidelines: str) -> None:
        """Make the project, or find it as it was left.

        Raises:
            ValueError: it has other classes.
        """
        self._check(answers)
        wanted = answers.asked
        classes = {name: wanted.classes[name] for name in self.class_names or wanted.classes}
        self.job.prepare(replace(wanted, classes=classes), guidelines)
        self.answers = answers

    def _check(self, answers: LabelerAnswers) -> None:
        for project in self._projects:
            kind = Kind(enum_name(project, "annotation_type") == "multi_label", project.label_space.paths)
            if kind != answers.kind:
                raise ValueError(
                    f"annotation_type: what was labeled before is {kind}, not {answers.kind}; give the same, or begin "
                    "anew in another folder"
                )
            there = self.class_names
            if set(there) != set(answers.classes.names):
                raise ValueError(
                    f"classes: what was labeled before has the classes {', '.join(there)}; give the same, or begin "
                    "anew in another folder"
                )

    def add(
        self,
        texts: Sequence[str],
        labels: Sequence[Any],
        holdout: float = 0.0,
        *,
        fresh: bool = False,
        index: pd.Index[Any] | None = None,
    ) -> None:
        """Add texts and known labels, and wait until they are embedded; a share of what has a label only evaluates.

        Fresh ones are all rows that there are; others come after those that were there.
        """
        new = [self._row(text, label, holdout) for text, label in zip(texts, labels, strict=True)]
        _warn_of_contradictions(new)
        self._refused |= self.job.add(new)
        self._there |= {row.item_id: row for row in new}
        if fresh:
            self.rows, self.index = new, index
        else:
            shown = {row.item_id for row in self.rows}
            more = {row.item_id: row for row in new if row.item_id not in shown}
            self.rows = [self._there[row.item_id] for row in self.rows] + list(more.values())
            self.index = None if more else self.index
        self._outcome = None
        wait_until_embedded(self.client, PROJECT)

    def _row(self, text: str, label: Any, holdout: float) -> SourceRow:
        item_id = content_id(text)
        before = self._there.get(item_id)
        if before is None:
            return SourceRow(item_id, text, label, {"text": text}, label is not None and is_drawn(text, holdout))
        # What evaluates goes on doing so, by the label that it was given first.
        return before if label is None or before.is_holdout else replace(before, known=label)

    def picked(self, count: int, strategy: str) -> list[str]:
        """Return the texts of the items that a strategy picks, the best first."""
        picks = self.client.labeling.select(PROJECT, count, strategy=strategy).picks
        return [self._there[pick.item_id].text for pick in picks]

    def teach(self, texts: Sequence[str], labels: Sequence[Any]) -> None:
        """Take labels that are known now, which stand instead of what a function said, and train."""
        known = {text: label for text, label in zip(texts, labels, strict=True) if label is not None}
        if known:
            self.add(list(known), list(known.values()))
            self._overrule({content_id(text): label for text, label in known.items()})
            self.learn()

    def _overrule(self, labels: Mapping[str, Any]) -> None:
        standing = Standing(self.client.labeling.annotations(PROJECT))
        wrong: dict[str, dict[str, Any]] = {}
        for item_id, label in labels.items():
            for said in standing.of(item_id):
                if said.annotator.startswith(FUNCTION) and said.answer is not None and not same(said.answer, label):
                    wrong.setdefault(said.annotator, {})[item_id] = label
        for annotator, answers in wrong.items():
            self.client.labeling.submit(PROJECT, answers, annotator=annotator)

    def ask(self, plan: LabelerPlan) -> None:
        """Have the annotator of the plan label within its budget, and train.

        Raises:
            ValueError: a function returned what is no class.
            LabelingFailedError: a model could not go on.
        """
        left = None if plan.budget_usd is None else max(0.0, plan.budget_usd - self._spent_before / 1e6)
        self.job.limit(left, plan.budget_labels)
        batch_size = plan.batch_size or self.job.batch_size(len(self._there))
        if plan.function is not None:
            asked = FunctionAsked(
                job=self.job,
                function=plan.function,
                answers=self.answers,
                texts={row.item_id: row.text for row in self._there.values()},
                strategy=plan.strategy,
                batch_size=batch_size,
                learn=self.learn,
            )
            try:
                self._ended = asked.ask()
            finally:
                self.learn()
        elif plan.choice is Choice.HUMAN or not self._run(plan, batch_size):
            self.learn()

    @property
    def _spent_before(self) -> int:
        """What was spent before the last time that it was begun anew, in micro-dollars: the ledger forgets nothing."""
        try:
            entries = list(self.client.budgets.ledger(PROJECT, deleted=True))
        except NextlabelError as error:
            if error.code is grpc.StatusCode.NOT_FOUND:
                return 0
            raise
        return sum(entry.amount.micro_usd for entry in entries if entry.kind == LEDGER_ENTRY_KIND_SETTLE)

    def _run(self, plan: LabelerPlan, batch_size: int) -> bool:
        """Have a model label in a run, or go on with the one under way; False when nothing is left to ask."""
        run_id = self.job.taken_up()
        if run_id is None:
            spec = run_spec(self._annotator.spec, strategy=plan.strategy, batch_size=batch_size)
            if not self.job.quote(spec).upper.labels:
                self._ended = "nothing is left to ask, or to spend"
                return False
            run_id = self.client.runs.start(PROJECT, spec).run_id
        try:
            ended = follow(self.client, run_id)
        except BaseException:
            # Nobody waits for it any more, so that nothing more is spent; the next fit goes on with it.
            with suppress(NextlabelError):
                self.client.runs.pause(PROJECT, run_id)
            raise
        self._ended, self._outcome = ended.reason, None
        if ended.failed:
            raise LabelingFailedError(f"labeling stopped ({ended.reason}): {ended.detail}")
        return True

    def learn(self) -> bool:
        """Train on the labels so far; False when there are none."""
        self._outcome = None
        if not self.client.projects.get(PROJECT).counts.labeled:
            return False
        self.client.learner.train(PROJECT)
        return True

    def outcome(self, review_below: float) -> tuple[Sequence[Mapping[str, Any]], Tally]:
        """Return what every row got, with its text, and a count of it."""
        if self._outcome is None or self._outcome[0] != review_below:
            tally = Tally()
            told = outcomes(self.client, self.rows, (), review_below, self._refused, tally)
            self._outcome = review_below, list(told), tally
        return self._outcome[1:]

    def summary(self, tally: Tally) -> LabelerSummary:
        """Return what it came to, for rows of which this is the count."""
        overview = self.client.reports.overview(PROJECT)
        latest = overview.latest
        return LabelerSummary(
            texts=tally.rows,
            sources=dict(tally.sources.most_common()),
            review=tally.review,
            spent_usd=(overview.spent.micro_usd + self._spent_before) / 1e6,
            ended=self._ended,
            model_version=self.client.projects.get(PROJECT).model_version,
            accuracy=latest.accuracy if latest.holdout_items else None,
            holdout=latest.holdout_items,
        )


def _path(folder: PassingFolder | None) -> Path:
    assert folder is not None
    return folder.path


def _chosen(stack: ExitStack, plan: LabelerPlan) -> ChosenAnnotator:
    try:
        return chosen(
            stack, plan.choice, model=plan.model, base_url=plan.base_url, budget_usd=plan.budget_usd, named=str
        )
    except InvalidArgument as error:
        raise ValueError(str(error)) from None


def _settings(plan: LabelerPlan, annotator: ChosenAnnotator) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if annotator.endpoint:
        settings["annotators"] = {"openai_compatible": dict(annotator.endpoint)}
    if plan.embedding_model:
        settings["embedding"] = {"model": plan.embedding_model}
    return settings


def _rows_there(client: Client) -> dict[str, SourceRow]:
    known = {one.item_id: plain_answer(one.answer) for one in client.labeling.annotations(PROJECT, annotator=KNOWN)}
    rows = {}
    for detail in client.pool.list(PROJECT):
        item = detail.item
        evaluates = item.HasField("reference")
        label = plain_answer(item.reference) if evaluates else known.get(item.id)
        rows[item.id] = SourceRow(item.id, item.text, label, {"text": item.text}, evaluates)
    return rows


def _warn_of_contradictions(rows: Sequence[SourceRow]) -> None:
    labels = {(row.item_id, str(row.known)) for row in rows if row.known is not None}
    texts = sum(times > 1 for times in Counter(item_id for item_id, _ in labels).values())
    if texts:
        warnings.warn(
            f"{texts:,} texts come several times with different labels; of each the last one counts", stacklevel=5
        )
