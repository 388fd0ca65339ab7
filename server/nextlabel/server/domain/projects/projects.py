"""Projects and their guidelines: rules and units of work."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from nextlabel.server.assessment.consensus.choice import METHODS
from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.budgets.reconciliation import close_books
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, NotFound
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.projects.class_names import holds_invisible
from nextlabel.server.values.projects.guidelines import (
    Guidelines,
    GuidelinesEffect,
    GuidelinesStatus,
    GuidelinesVersion,
)
from nextlabel.server.values.projects.label_paths import SEPARATOR, as_paths, path_problem
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
            classes=_new_paths(new) if new.paths else tuple(new.classes),
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
            wanted = _paths(changes.classes) if project.paths else changes.classes
            named["classes"] = _merged_classes(project.classes, wanted)
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
            *_class_violations(project, self.limits),
            *_range_violations(project, self.limits),
        ]
        if violations:
            raise InvalidArgument(violations)
        self.check_learner(project)
        self.check_strategy(project.strategy)


def _new_paths(new: NewProject) -> tuple[LabelClass, ...]:
    if new.annotation_type is not AnnotationType.MULTI_LABEL:
        raise InvalidArgument.field(
            "label_space.paths",
            "only classes of multi_label annotations can be paths, as an answer names all above it too",
        )
    if not any(SEPARATOR in c.name for c in new.classes):
        raise InvalidArgument.field("label_space.paths", "no class is a path such as 'animal/cat'; leave paths out")
    return _paths(new.classes)


def _paths(classes: Sequence[LabelClass]) -> tuple[LabelClass, ...]:
    wrong = [(f"label_space.classes[{i}].name", text) for i, c in enumerate(classes) if (text := path_problem(c.name))]
    if wrong:
        raise InvalidArgument(wrong)
    return as_paths(classes)


def _class_violations(project: Project, limits: Limits) -> list[tuple[str, str]]:
    """Return what is wrong with a label space, field by field."""
    classes = project.classes
    path = "label_space.classes"
    if problem := _count_problem(project, limits):
        return [(path, problem)]
    size = sum(len(c.name.encode()) + len(c.description.encode()) for c in classes)
    if size > limits.label_space_bytes:
        most = limits.label_space_bytes
        return [(path, f"at most {most} bytes of UTF-8 in all names and descriptions together, got {size}")]
    found = []
    first_seen: dict[str, int] = {}
    for i, c in enumerate(classes):
        if not c.name.strip() or c.name != c.name.strip():
            found.append((f"{path}[{i}].name", "must not be empty or begin or end with a space"))
        elif holds_invisible(c.name):
            found.append(
                (f"{path}[{i}].name", "must not hold control characters, line separators or marks of direction")
            )
        elif len(c.name.encode()) > limits.class_name_bytes:
            found.append((f"{path}[{i}].name", f"at most {limits.class_name_bytes} bytes of UTF-8"))
        elif c.name in first_seen:
            found.append((f"{path}[{i}].name", f"{c.name!r} is already class {first_seen[c.name]}"))
        if len(c.description.encode()) > limits.class_description_bytes:
            found.append((f"{path}[{i}].description", f"at most {limits.class_description_bytes} bytes"))
        first_seen.setdefault(c.name, i)
    return found


def _count_problem(project: Project, limits: Limits) -> str:
    """Return what is wrong with the number of classes; '' when nothing is."""
    count = len(project.classes)
    needed = task_type(project.annotation_type).needs_classes
    if needed and count < 2:
        return f"a label space needs at least 2 classes, got {count}"
    if count and not needed:
        return f"{project.annotation_type.shown} annotations have no classes; leave them out"
    return f"at most {limits.classes} classes, got {count}" if count > limits.classes else ""


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


def _merged_classes(present: Sequence[LabelClass], wanted: Sequence[LabelClass]) -> tuple[LabelClass, ...]:
    """Return the new label space, which must keep every present class in its place."""
    names = [c.name for c in wanted[: len(present)]]
    if names != [c.name for c in present]:
        raise InvalidArgument.field(
            "label_space.classes",
            "classes may be added at the end and described anew, not removed, renamed or reordered; expected to "
            f"begin with {', '.join(repr(c.name) for c in present[:10])}",
        )
    return tuple(wanted)
