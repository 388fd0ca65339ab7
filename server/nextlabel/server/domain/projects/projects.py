"""Projects and their guidelines: rules and units of work."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from nextlabel.server.assessment.consensus.choice import METHODS
from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.budgets.reconciliation import close_books
from nextlabel.server.domain.projects.label_spaces import class_violations, merged_classes, new_paths, paths_of
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, NotFound
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.projects.guidelines import (
    Guidelines,
    GuidelinesEffect,
    GuidelinesStatus,
    GuidelinesVersion,
)
from nextlabel.server.values.projects.projects import CHOSEN, CROWDLAB, MAJORITY, Component, LabelClass, Project
from nextlabel.server.values.projects.score_range import ScoreRange

_MOST_GOLD = 0.5

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class NewProject:
    """What a user states when creating a project; the rest has defaults.

    An empty ``embedding_model`` means that every item comes with its embedding.
    """

    name: str
    classes: Sequence[LabelClass]
    embedding_model: str
    embedding_dimension: int
    annotation_type: AnnotationType = AnnotationType.SINGLE_LABEL
    guidelines: str = ""
    learner: Component = field(default_factory=Component)
    strategy: Component = field(default_factory=Component)
    overlap: int = 1
    lease_ttl_s: float = 600.0
    audit_share: float = 0.0
    show_suggestions: bool = False
    score_range: ScoreRange = field(default_factory=ScoreRange)
    paths: bool = False
    gold_share: float = 0.0
    consensus: str = MAJORITY


@dataclass(frozen=True, slots=True)
class ProjectChanges:
    """Fields to change; None leaves a field as it is. Classes can be added and described, not removed."""

    classes: Sequence[LabelClass] | None = None
    learner: Component | None = None
    strategy: Component | None = None
    overlap: int | None = None
    lease_ttl_s: float | None = None
    audit_share: float | None = None
    show_suggestions: bool | None = None
    gold_share: float | None = None
    consensus: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Projects:
    """Creates and changes projects.

    ``check_learner`` and ``check_strategy`` raise InvalidArgument for a name or parameter that does not exist, so
    that a typing error surfaces here and not after hours of labeling.
    """

    clock: Clock
    new_id: Callable[[], str]
    limits: Limits
    budgets: Budgets
    check_learner: Callable[[Project], object]
    check_strategy: Callable[[Component], object]

    def create(self, tx: Transaction, new: NewProject) -> Project:
        """Store a new project with its first guidelines.

        Raises:
            InvalidArgument: a field is out of its range.
            AlreadyExists: the name is taken.
        """
        if not _NAME.fullmatch(new.name):
            raise InvalidArgument.field(
                "name", "use 1 to 63 of a-z, 0-9, '.', '_' and '-', starting with a letter or digit"
            )
        now = self.clock.now()
        project = Project(
            id=ProjectId(self.new_id()),
            name=new.name,
            annotation_type=new.annotation_type,
            classes=new_paths(new.annotation_type, new.classes) if new.paths else tuple(new.classes),
            guidelines_version=1,
            embedding_model=new.embedding_model,
            embedding_dimension=new.embedding_dimension,
            learner=new.learner,
            strategy=new.strategy,
            overlap=new.overlap,
            lease_ttl_s=new.lease_ttl_s,
            audit_share=new.audit_share,
            show_suggestions=new.show_suggestions,
            created_at=now,
            updated_at=now,
            score_range=new.score_range,
            gold_share=new.gold_share,
            consensus=new.consensus,
        )
        self._check(project)
        tx.projects.insert(project)
        first = GuidelinesVersion(
            project=project.id,
            version=1,
            text=new.guidelines,
            status=GuidelinesStatus.ACCEPTED,
            author="",
            comment="",
            created_at=now,
        )
        self._insert_guidelines(tx, first)
        return project

    def get(self, tx: Transaction, name: str) -> Project:
        """Return a project by name, or raise NotFound."""
        project = tx.projects.by_name(name)
        if project is None:
            raise NotFound("project", name)
        return project

    def update(self, tx: Transaction, name: str, changes: ProjectChanges) -> Project:
        """Apply changes and return the project as it is now."""
        project = self.get(tx, name)
        named = {
            key: value
            for key in (
                "learner", "strategy", "overlap", "lease_ttl_s", "audit_share", "show_suggestions", "gold_share",
                "consensus",
            )
            if (value := getattr(changes, key)) is not None
        }  # fmt: skip
        if changes.classes is not None:
            wanted = paths_of(changes.classes) if project.paths else changes.classes
            named["classes"] = merged_classes(project.classes, wanted)
        changed = replace(project, **named, updated_at=self.clock.now())
        self._check(changed)
        tx.projects.update(changed)
        return changed

    def delete(self, tx: Transaction, name: str) -> Project:
        """Remove a project and all of it but its ledger, whose books are closed; return it as it was."""
        project = self.get(tx, name)
        close_books(tx, self.budgets, project.id)
        tx.projects.delete(project.id, self.clock.now())
        return project

    def add_guidelines(
        self,
        tx: Transaction,
        name: str,
        text: str,
        *,
        author: str,
        comment: str = "",
        accept: bool = True,
        base_version: int = 0,
        effect: GuidelinesEffect | None = None,
    ) -> GuidelinesVersion:
        """Add a version; an accepted one is what annotators see from now on.

        Raises:
            NotFound: there is no version ``base_version``.
        """
        project = self.get(tx, name)
        if base_version:
            self.guidelines(tx, project, base_version)
        version = tx.projects.guidelines(project.id)[-1].version + 1
        added = GuidelinesVersion(
            project=project.id,
            version=version,
            text=text,
            status=GuidelinesStatus.ACCEPTED if accept else GuidelinesStatus.PROPOSED,
            author=author,
            comment=comment,
            created_at=self.clock.now(),
            base_version=base_version,
            effect=effect,
        )
        self._insert_guidelines(tx, added)
        if accept:
            self._use_guidelines(tx, project, version)
        return added

    def decide_guidelines(self, tx: Transaction, name: str, version: int, *, accept: bool) -> GuidelinesVersion:
        """Accept or reject a version. A version that annotators already used stays as it was.

        Raises:
            InvalidArgument: no version is named.
            NotFound: there is no such version.
            FailedPrecondition: the version to reject is in use.
        """
        project = self.get(tx, name)
        if version < 1:
            raise InvalidArgument.field("version", f"name a version, from 1; got {version}")
        guidelines = self.guidelines(tx, project, version)
        if not accept and version == project.guidelines_version:
            raise FailedPrecondition(
                f"guidelines version {version} is in use; accept another version instead of rejecting it",
                reason="GUIDELINES_IN_USE",
            )
        decided = replace(guidelines, status=GuidelinesStatus.ACCEPTED if accept else GuidelinesStatus.REJECTED)
        tx.projects.set_guidelines_status(decided)
        if accept:
            self._use_guidelines(tx, project, version)
        return decided

    def guidelines(self, tx: Transaction, project: Project, version: int = 0) -> GuidelinesVersion:
        """Return a version of the guidelines, by default the one in use."""
        wanted = version or project.guidelines_version
        for guidelines in tx.projects.guidelines(project.id):
            if guidelines.version == wanted:
                return guidelines
        raise NotFound("guidelines", f"{project.name}/{wanted}")

    def task(self, tx: Transaction, project: Project) -> Task:
        """Return what annotators of a project are asked now."""
        guidelines = self.guidelines(tx, project)
        return Task(
            annotation_type=project.annotation_type,
            labels=project.classes,
            guidelines=Guidelines(guidelines.text, guidelines.version),
            score_range=project.score_range,
        )

    def _use_guidelines(self, tx: Transaction, project: Project, version: int) -> None:
        tx.projects.update(replace(project, guidelines_version=version, updated_at=self.clock.now()))

    def _insert_guidelines(self, tx: Transaction, guidelines: GuidelinesVersion) -> None:
        if len(guidelines.text.encode()) > self.limits.guidelines_bytes:
            raise InvalidArgument.field("guidelines", f"at most {self.limits.guidelines_bytes} bytes of UTF-8")
        tx.projects.add_guidelines(guidelines)

    def _check(self, project: Project) -> None:
        violations = [
            *class_violations(project, self.limits),
            *_range_violations(project, self.limits),
        ]
        if violations:
            raise InvalidArgument(violations)
        self.check_learner(project)
        self.check_strategy(project.strategy)


def _range_violations(project: Project, limits: Limits) -> list[tuple[str, str]]:
    found = []
    if not 1 <= project.embedding_dimension <= limits.embedding_dimension:
        found.append(("embedding.dimension", f"from 1 to {limits.embedding_dimension}"))
    if task_type(project.annotation_type).pairs and project.embedding_dimension % 2:
        two = f"an embedding of a pair is those of its two texts side by side; {project.embedding_dimension} is odd"
        found.append(("embedding.dimension", two))
    if not 1 <= project.overlap <= limits.overlap:
        found.append(("overlap", f"from 1 to {limits.overlap} annotators an item, got {project.overlap}"))
    if not 1.0 <= project.lease_ttl_s <= 86_400.0:
        found.append(("lease_ttl", f"from 1 second to 1 day, got {project.lease_ttl_s:g} seconds"))
    if not 0.0 <= project.audit_share <= 1.0:
        found.append(("audit_share", f"from 0 to 1, got {project.audit_share:g}"))
    if not 0.0 <= project.gold_share <= _MOST_GOLD:
        found.append(("gold_share", f"from 0 to {_MOST_GOLD:g}, got {project.gold_share:g}"))
    if problem := _consensus_problem(project):
        found.append(("consensus", problem))
    if problem := project.score_range.problem:
        found.append(("score_range", problem))
    return found


def _consensus_problem(project: Project) -> str:
    """Return what is wrong with the way to join answers; '' when nothing is."""
    allowed = (CHOSEN, CROWDLAB, *METHODS) if task_type(project.annotation_type).one_class else (MAJORITY,)
    if project.consensus in allowed:
        return ""
    of_type = f"one of {', '.join(allowed)} in projects of {project.annotation_type.shown} annotations"
    return f"{of_type}, got {project.consensus[:50]!r}"
