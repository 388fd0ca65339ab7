"""LLMs as acquisition functions: strategies that ask an LLM about a shortlist which another strategy makes.

`llm` lets it choose the batch (ActiveLLM, Bayer & Reuter 2024, arXiv 2405.10808; SelectLLM, Parkar et al. 2024,
arXiv 2401.16553). `llm_uncertainty` has it label the shortlist and takes what it is least sure of; `llm_disagreement`
takes the labels that the learner believes least. Such labels are kept, so that an annotator with the same model and
prompt finds them paid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.projects.projects import Component
from nextlabel.server.values.runs.annotator_options import (
    AnnotatorChoice,
    AnthropicOptions,
    LlmOptions,
    OpenaiCompatibleOptions,
)
from nextlabel.strategies import ShortlistSize

CHOOSING = "llm"
UNCERTAINTY = "llm_uncertainty"
DISAGREEMENT = "llm_disagreement"
LLM_STRATEGIES: Mapping[str, str] = {
    CHOOSING: "An LLM chooses the batch from a diverse shortlist, and says why.",
    UNCERTAINTY: "An LLM labels a shortlist; what it is least sure of.",
    DISAGREEMENT: "An LLM labels a shortlist; the labels that the learner believes least.",
}
LINES: Mapping[str, str] = {
    CHOOSING: "acquisition",
    UNCERTAINTY: "acquisition/uncertainty",
    DISAGREEMENT: "acquisition/disagreement",
}
"""Budget lines."""

DEFAULTS: Mapping[str, Any] = {"shortlist": "default", "per_pick": 3, "model": "", "provider": AnthropicOptions.kind}
"""Parameters of these strategies."""
_PROVIDERS: Mapping[str, type[LlmOptions]] = {each.kind: each for each in (AnthropicOptions, OpenaiCompatibleOptions)}
_SMALLEST_SHORTLIST = 30
_LARGEST_SHORTLIST = 200
_MOST_PER_PICK = 20


@dataclass(frozen=True, slots=True)
class LlmStrategy:
    """One of the strategies that ask an LLM.

    Attributes:
        name: which one.
        shortlist: name of the strategy that makes the shortlist.
        per_pick: items of the shortlist for each item of the batch.
        model: the model to ask; empty for the run's annotator as it is.
        provider: the kind of endpoint that ``model`` is behind.
    """

    name: str
    shortlist: str
    per_pick: int
    model: str
    provider: str

    @property
    def line(self) -> str:
        """The budget line that pays."""
        return LINES[self.name]

    def shortlist_size(self, k: int) -> int:
        """Return how many items the LLM sees for a batch of ``k``: ``per_pick`` a pick, from 30 to 200."""
        return max(k, min(ShortlistSize(self.per_pick, _SMALLEST_SHORTLIST).of(k), _LARGEST_SHORTLIST))

    def asked(self, annotator: AnnotatorChoice | None) -> LlmOptions:
        """Return the LLM to ask: the named model, or a run's annotator.

        Raises:
            InvalidArgument: no model is named, and the annotator is no LLM.
        """
        if not self.model:
            if isinstance(annotator, LlmOptions):
                return annotator
            raise InvalidArgument.field(
                "strategy.params.model",
                f"{self.name!r} asks an LLM: name its model, or start a run whose annotator is one",
            )
        if isinstance(annotator, LlmOptions) and (annotator.kind, annotator.model) == (self.provider, self.model):
            return annotator  # Its own prompt makes its answers the ones that it finds paid.
        return _PROVIDERS[self.provider](model=self.model)


def llm_strategy(choice: Component) -> LlmStrategy | None:
    """Return the LLM strategy of a name with its parameters; None for a name of another strategy.

    Raises:
        InvalidArgument: an unknown parameter, or one out of range.
    """
    if choice.name not in LLM_STRATEGIES:
        return None
    for name, value in choice.params.items():
        if name not in DEFAULTS:
            raise _wrong(choice.name, f"no parameter {name!r}; allowed: {', '.join(DEFAULTS)}")
        if type(value) is not type(DEFAULTS[name]):
            raise _wrong(choice.name, f"{name} is {value!r}; must be of type {type(DEFAULTS[name]).__name__}")
    strategy = LlmStrategy(choice.name, **{**DEFAULTS, **choice.params})
    if not 1 <= strategy.per_pick <= _MOST_PER_PICK:
        raise _wrong(choice.name, f"per_pick is {strategy.per_pick}; must be from 1 to {_MOST_PER_PICK}")
    if strategy.provider not in _PROVIDERS:
        raise _wrong(choice.name, f"provider is {strategy.provider!r}; must be one of {', '.join(_PROVIDERS)}")
    if strategy.shortlist in LLM_STRATEGIES:
        raise _wrong(choice.name, f"shortlist is {strategy.shortlist!r}, which asks an LLM itself; name another one")
    return strategy


def _wrong(strategy: str, problem: str) -> InvalidArgument:
    return InvalidArgument.field("strategy.params", f"strategy {strategy!r}: {problem}")
