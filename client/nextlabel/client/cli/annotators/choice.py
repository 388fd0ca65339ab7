"""Options of commands that say who answers: the kind of annotator, and what each kind can be told."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from nextlabel.client.cli.annotators.prompting import PROMPTS, Prompting
from nextlabel.client.cli.option_groups import with_options

if TYPE_CHECKING:
    from nextlabel.v1.run_service_pb2 import AnnotatorSpec

_ANSWERS = "Who answers"


class AnnotatorKind(StrEnum):
    """Who answers."""

    REPLAY = "replay"
    HUMAN = "human"
    ANTHROPIC = "anthropic"
    OPENAI_COMPATIBLE = "openai-compatible"
    LEARNER = "learner"
    LOCAL = "local"


LLMS = frozenset({AnnotatorKind.ANTHROPIC, AnnotatorKind.OPENAI_COMPATIBLE, AnnotatorKind.LOCAL})
_KINDS = {
    "label_set": {AnnotatorKind.REPLAY},
    "noise": {AnnotatorKind.REPLAY},
    "trusted": {AnnotatorKind.REPLAY},
    "person": {AnnotatorKind.HUMAN},
    "min_probability": {AnnotatorKind.LEARNER},
    "model": LLMS,
    "base_url": LLMS - {AnnotatorKind.LOCAL},
    "log_probabilities": {AnnotatorKind.OPENAI_COMPATIBLE},
    "batch_calibration": {AnnotatorKind.OPENAI_COMPATIBLE, AnnotatorKind.LOCAL},
    "decisions": {AnnotatorKind.OPENAI_COMPATIBLE},
    "annotator_name": {AnnotatorKind.REPLAY, AnnotatorKind.LEARNER, *LLMS},
}
"""The kinds that an option says something to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatorChoice:
    """Who answers."""

    annotator: Annotated[
        AnnotatorKind,
        typer.Option(help="Who answers; local needs `serve --local-llm`.", rich_help_panel=_ANSWERS),
    ]
    annotator_name: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Its name in annotations. (default: of kind and model)", rich_help_panel=_ANSWERS
        ),
    ] = ""
    label_set: Annotated[
        str, typer.Option(help="replay: name of the set of known labels.", rich_help_panel=_ANSWERS)
    ] = "known"
    noise: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            show_default=False,
            help="replay: share of known labels to replace by wrong ones.",
            rich_help_panel=_ANSWERS,
        ),
    ] = 0.0
    trusted: Annotated[
        bool | None,
        typer.Option(
            "--trusted/--untrusted",
            help="replay: whether the labels count as truth. (default: without noise)",
            rich_help_panel=_ANSWERS,
        ),
    ] = None
    person: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="human: the only one who is asked. (default: anyone)", rich_help_panel=_ANSWERS
        ),
    ] = ""
    min_probability: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            show_default=False,
            help="learner: probability below which it does not answer.",
            rich_help_panel=_ANSWERS,
        ),
    ] = 0.0
    model: Annotated[
        str, typer.Option(help="Model that answers. (default: local: the packaged one)", rich_help_panel=PROMPTS)
    ] = ""
    base_url: Annotated[
        str, typer.Option(help="Compatible server to ask; the server must allow it.", rich_help_panel=PROMPTS)
    ] = ""
    log_probabilities: Annotated[
        bool,
        typer.Option(
            "--log-probabilities",
            help="openai-compatible: confidence from the label's tokens.",
            rich_help_panel=PROMPTS,
        ),
    ] = False
    batch_calibration: Annotated[
        bool,
        typer.Option(
            "--batch-calibration",
            help="openai-compatible, local: divide out each batch's mean; assumes that no class dominates.",
            rich_help_panel=PROMPTS,
        ),
    ] = False
    decisions: Annotated[
        bool,
        typer.Option(
            "--decisions",
            help="openai-compatible: typed decisions with the model's own probabilities instead of completions.",
            rich_help_panel=PROMPTS,
        ),
    ] = False

    def spec(self, prompting: Prompting) -> "AnnotatorSpec":
        """The annotator for the server. Raises a usage error for an option that says nothing to this kind."""
        from nextlabel.client import specs

        self._check(prompting)
        name = self.annotator_name
        match self.annotator:
            case AnnotatorKind.REPLAY:
                return specs.replay(self.label_set, noise=self.noise, trusted=self.trusted, name=name)
            case AnnotatorKind.HUMAN:
                return specs.human(self.person)
            case AnnotatorKind.LEARNER:
                return specs.learner(min_probability=self.min_probability, name=name)
            case AnnotatorKind.LOCAL:
                return specs.local(
                    self.model or specs.PACKAGED_MODEL,
                    prompt=prompting.options(),
                    batch_calibration=self.batch_calibration,
                    name=name,
                )
            case AnnotatorKind.ANTHROPIC:
                return specs.anthropic(self.model, base_url=self.base_url, prompt=prompting.options(), name=name)
            case _:
                return specs.openai_compatible(
                    self.model,
                    base_url=self.base_url,
                    prompt=prompting.options(),
                    log_probabilities=self.log_probabilities,
                    batch_calibration=self.batch_calibration,
                    decisions=self.decisions,
                    name=name,
                )

    def _check(self, prompting: Prompting) -> None:
        for field in fields(self):
            kinds = _KINDS.get(field.name, {self.annotator})
            if self.annotator not in kinds and getattr(self, field.name) != field.default:
                raise _does_nothing(field.name, self.annotator, sorted(kinds))
        if self.annotator in LLMS - {AnnotatorKind.LOCAL} and not self.model:
            raise typer.BadParameter(f"--annotator {self.annotator} needs a --model", param_hint="--model")
        for name in prompting.given():
            if self.annotator not in LLMS:
                raise _does_nothing(name, self.annotator, sorted(LLMS))


def _does_nothing(name: str, kind: AnnotatorKind, kinds: list[AnnotatorKind]) -> typer.BadParameter:
    option = f"--{name.replace('_', '-')}"
    return typer.BadParameter(
        f"says nothing to --annotator {kind}, only to {', '.join(kinds)}; leave it out", param_hint=option
    )


names_annotator = with_options("who", AnnotatorChoice)
"""Gives a command the options of `AnnotatorChoice` in the place of its parameter `who`."""
