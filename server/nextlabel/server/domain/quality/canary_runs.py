"""Canaries in runs: whether they can be made, and how those of runs were answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.canaries import CanaryTally
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import AnnotatorChoice, LlmOptions, canary_share
from nextlabel.server.values.runs.events import CanariesChecked
from nextlabel.server.values.runs.runs import Run


def check_canaries(tx: Transaction, project: Project, annotator: AnnotatorChoice) -> None:
    """Check that canaries that are asked for can be made.

    Raises:
        InvalidArgument: the project does not ask for single labels.
        FailedPrecondition: it has no gold items.
    """
    if not canary_share(annotator):
        return
    if not task_type(project.annotation_type).one_class:
        raise InvalidArgument.field(
            f"spec.annotator.{annotator.kind}.prompt.canary_share", "canaries are for projects of single labels only"
        )
    if not tx.pool.references(project.id, Split.GOLD):
        raise FailedPrecondition(
            f"canaries are made of gold items, of which project {project.name} has none; add some with their labels, "
            "or start the run without canaries",
            reason="NO_GOLD",
        )


def tally_of(tx: Transaction, run: Run) -> CanaryTally:
    """Return how a run's canaries were answered so far."""
    last = tx.runs.last(run.id, CanariesChecked)
    return last.counts if last else CanaryTally()


def tallies(tx: Transaction, runs: Sequence[Run]) -> Mapping[str, CanaryTally]:
    """Return how the canaries of some runs were answered, by annotator; those without canaries are left out."""
    found: dict[str, CanaryTally] = {}
    for run in runs:
        annotator = run.spec.annotator
        if isinstance(annotator, LlmOptions) and annotator.prompt.canary_share:
            name = annotator.annotator_name
            found[name] = found.get(name, CanaryTally()) + tally_of(tx, run)
    return found
