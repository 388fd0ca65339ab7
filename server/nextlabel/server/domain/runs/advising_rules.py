"""Which runs may collect advice."""

from __future__ import annotations

from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import annotator_name
from nextlabel.server.values.runs.runs import NOT_ENDED, RunSpec


def check_advises_alone(tx: Transaction, project: Project, spec: RunSpec) -> None:
    """Check that no other run has the annotator of this one advise: both would pay for advice about the same items.

    Raises:
        FailedPrecondition: there is such a run.
    """
    if not spec.advice:
        return
    name = annotator_name(spec.annotator)
    for run in tx.runs.list(project.id, states=NOT_ENDED):
        if run.spec.advice and annotator_name(run.spec.annotator) == name:
            raise FailedPrecondition(
                f"run {run.id} has {name} advise on all items already and is {run.state.value}; watch, resume or stop "
                f"that one: nextlabel run watch {project.name} {run.id}",
                reason="ALREADY_ADVISING",
            )
