"""The parameters of a `Labeler`, checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from nextlabel.server.auto.annotators import Choice
from nextlabel.server.domain.selection.selector import strategy_of
from nextlabel.server.embedded.answers import Kind
from nextlabel.server.embedded.functions import LARGEST_BATCH, Function, checked_function
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.projects.projects import Component

DEFAULT_STRATEGY = "default"
"""Most texts that are picked at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelerPlan:
    """What a `Labeler` is to do: ``function`` labels where it is given, else ``choice``; '' and None are defaults."""

    choice: Choice
    kind: Kind
    function: Function | None
    model: str
    base_url: str
    guidelines: str
    budget_usd: float | None
    budget_labels: int | None
    strategy: str
    batch_size: int | None
    holdout: float
    review_below: float
    embedding_model: str
    folder: Path | None

    @property
    def opening(self) -> tuple[object, ...]:
        """What an engine is opened with; where it changes, another one is."""
        return self.folder, self.choice, self.model, self.base_url, self.embedding_model

    @classmethod
    def of(cls, given: dict[str, Any]) -> LabelerPlan:
        """Return the plan that parameters make.

        Raises:
            ValueError: one is wrong; the message names it and says what is allowed.
        """
        annotator = given["annotator"]
        if not callable(annotator) and annotator not in list(Choice):
            raise ValueError(
                f"annotator: expected a function of a text that returns its label, or one of {', '.join(Choice)}; "
                f"got {annotator!r}"
            )
        return cls(
            kind=_kind(given["annotation_type"], given["paths"]),
            choice=Choice.HUMAN if callable(annotator) else Choice(annotator),
            function=checked_function(annotator) if callable(annotator) else None,
            model=_text("model", given["model"]),
            base_url=_text("base_url", given["base_url"]),
            guidelines=_text("guidelines", given["guidelines"]),
            budget_usd=_number("budget_usd", given["budget_usd"], "more than 0", lambda value: 0 < value < math.inf),
            budget_labels=whole_number("budget_labels", given["budget_labels"]),
            strategy=_strategy(given["strategy"]),
            batch_size=whole_number("batch_size", given["batch_size"], LARGEST_BATCH),
            holdout=_number("holdout", given["holdout"], "from 0 to below 1", lambda value: 0 <= value < 1) or 0.0,
            review_below=_number("review_below", given["review_below"], "from 0 to 1", lambda value: 0 <= value <= 1)
            or 0.0,
            embedding_model=_text("embedding_model", given["embedding_model"]),
            folder=_folder(given["folder"]),
        )


def _kind(annotation_type: Any, paths: Any) -> Kind:
    types = [Kind(several).annotation_type for several in (False, True)]
    if annotation_type not in types:
        raise ValueError(f"annotation_type: expected one of {', '.join(types)}, got {annotation_type!r}")
    kind = Kind(annotation_type == types[1], bool(paths))
    if kind.paths and not kind.several:
        raise ValueError("paths: an answer names all that is above a class too; give annotation_type='multi_label'")
    return kind


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected a text, got {value!r}")
    return value


def _number(name: str, value: Any, allowed: str, holds: Callable[[float], bool]) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real) or not holds(float(value)):
        raise ValueError(f"{name}: expected a number {allowed}, got {value!r}")
    return float(value)


def whole_number(name: str, value: Any, most: int | None = None) -> int | None:
    """Return a number from 1 to ``most``, or None of None.

    Raises:
        ValueError: it is something else.
    """
    if value is None:
        return None
    number = 0 if isinstance(value, bool) or not isinstance(value, Integral) else int(value)
    if number < 1 or (most and number > most):
        allowed = f"from 1 to {most:,}" if most else "of 1 or more"
        raise ValueError(f"{name}: expected a whole number {allowed}, or None, got {value!r}")
    return number


def _strategy(name: Any) -> str:
    if name in (None, "", DEFAULT_STRATEGY):
        return ""
    try:
        strategy_of(Component(_text("strategy", name)))
    except InvalidArgument as error:
        raise ValueError(str(error)) from None
    return str(name)


def _folder(folder: Any) -> Path | None:
    if folder is None:
        return None
    try:
        return Path(folder)
    except TypeError:
        raise ValueError(f"folder: expected a path, or None to keep nothing, got {folder!r}") from None
