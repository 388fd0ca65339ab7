"""Runs that collect answers which nothing is learned from: what can be asked of them, and what cannot."""

from __future__ import annotations

from nextlabel.server.domain.selection.llm_strategies import CHOOSING, llm_strategy
from nextlabel.server.domain.selection.selector import strategy_of
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.annotator_options import LearnerOptions
from nextlabel.server.values.runs.runs import RunSpec
from nextlabel.strategies import Need

_OF_MODELS = frozenset({Need.PROBABILITIES, Need.COMMITTEE, Need.ANNOTATOR_LABELS})


def check_collecting(project: Project, spec: RunSpec) -> None:
    """Check that a run needs no learner.

    Raises:
        InvalidArgument: a goal, a strategy or an annotator that rests on a learner; every such field is named.
    """
    kind = project.annotation_type.shown
    none = f"no learner is trained on {kind} annotations"
    violations = [
        (f"spec.{path}", f"{none}: {instead}")
        for path, asked, instead in (
            ("targets.accuracy", spec.target_accuracy > 0, "end the run by a budget or max_rounds"),
            ("targets.macro_f1", spec.target_macro_f1 > 0, "end the run by a budget or max_rounds"),
            ("targets.plateau_rounds", spec.plateau.rounds > 0, "end the run by a budget or max_rounds"),
            ("targets.stable_kappa", spec.stable_kappa > 0, "end the run by a budget or max_rounds"),
            ("targets.point_micro_usd", spec.worth.point_micro_usd > 0, "end the run by a budget or max_rounds"),
            ("advice", spec.advice, "keep the answers as annotations"),
            ("train_while_asking", spec.train_while_asking, "leave it out"),
            ("annotator", isinstance(spec.annotator, LearnerOptions), "ask people or an LLM"),
            (
                "strategy",
                _rests_on_model(spec.strategy),
                f"{spec.strategy.name!r} needs one; take default, max_herding, typiclust, difficulty or random",
            ),
        )
        if asked
    ]
    if violations:
        raise InvalidArgument(violations)


def _rests_on_model(choice: Component) -> bool:
    llm = llm_strategy(choice)
    return (llm is not None and llm.name != CHOOSING) or bool(strategy_of(choice).needs & _OF_MODELS)
