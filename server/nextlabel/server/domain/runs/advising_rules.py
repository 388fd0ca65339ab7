"""Which runs collect advice: one at a time of an annotator, and none while what it has advised is forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.errors import FailedPrecondition, NotFound
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import HumanOptions, LearnerOptions, annotator_name, shows_labels
from nextlabel.server.values.runs.runs import NOT_ENDED, RunSpec


def advice_violations(spec: RunSpec) -> Sequence[tuple[str, bool, str]]:
    """Return what may be wrong with a run that collects advice, by field: whether it is, and what is allowed."""
    if not spec.advice:
        return ()
    asked, goal = spec.annotator, "advice is asked for about every item: leave it out; limit tokens, money or rounds"
    return (
        ("limits.labels", spec.limit.labels > 0, "advice buys no labels: limit tokens, money or rounds"),
        ("targets.accuracy", spec.target_accuracy > 0, goal),
        ("targets.macro_f1", spec.target_macro_f1 > 0, goal),
        ("targets.plateau_rounds", spec.plateau.rounds > 0, goal),
        ("targets.stable_kappa", spec.stable_kappa > 0, goal),
        ("targets.point_micro_usd", spec.worth.point_micro_usd > 0, goal),
        ("train_while_asking", spec.train_while_asking, "a model is trained once all is asked: leave it out"),
        ("advice", isinstance(asked, HumanOptions), "people label items; only annotators on the server advise"),
        ("advice", isinstance(asked, LearnerOptions), "the learner cannot advise itself"),
        (
            "advice",
            shows_labels(asked),
            "asks about labeled items too, whose labels the annotator must not see: ask without demonstrations",
        ),
    )


def check_advises_alone(tx: Transaction, project: Project, spec: RunSpec) -> None:
    """Check that no other run has the annotator of this one advise: both would pay for advice about the same items.

    Raises:
        FailedPrecondition: there is such a run.
    """
    if spec.advice:
        # Two servers that start one at once take turns here.
        tx.pool.lock(project.id)
        _check_idle(tx, project, annotator_name(spec.annotator))


def forget_advice(tx: Transaction, project: Project, annotator: str) -> int:
    """Remove what an annotator has advised, and return about how many items that was.

    Raises:
        NotFound: it has advised on none.
        FailedPrecondition: a run has it advise.
    """
    _check_idle(tx, project, annotator)
    removed = tx.advice.remove(project.id, annotator)
    if not removed:
        advisors = ", ".join(tx.advice.annotators(project.id)) or "nobody"
        raise NotFound(
            "advice of",
            annotator,
            message=f"{annotator!r} has advised on nothing in project {project.name}; who has: {advisors}",
        )
    return removed


def _check_idle(tx: Transaction, project: Project, annotator: str) -> None:
    for run in tx.runs.list(project.id, states=NOT_ENDED):
        if run.spec.advice and annotator_name(run.spec.annotator) == annotator:
            raise FailedPrecondition(
                f"run {run.id} has {annotator} advise on all items already and is {run.state.value}; watch, resume or "
                f"stop that one: nextlabel run watch {project.name} {run.id}",
                reason="ALREADY_ADVISING",
            )
