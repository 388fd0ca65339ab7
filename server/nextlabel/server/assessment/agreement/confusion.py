"""An annotator beside the truth: accuracy, macro-F1, and which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.agreement.kappa import cohen_kappa
from nextlabel.server.assessment.agreement.macro_f1 import macro_f1
from nextlabel.server.assessment.intervals import Estimate, wilson_interval


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """One class: how many of its items were recognised, and how many of those called it belong to it.

    ``recall`` is None when no item has the class, ``precision`` when none was called it.
    """

    label: str
    recall: Estimate | None
    precision: Estimate | None


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Labels beside true ones, each figure with its interval.

    ``confusion_CC`` counts items by true class (row) and given class (column), in the order of ``classes``.
    ``kappa`` is Cohen's, None where one label is all there is. ``macro_f1`` is over the classes that occur.
    """

    classes: tuple[str, ...]
    confusion_CC: npt.NDArray[np.int64]
    accuracy: Estimate
    macro_f1: Estimate
    kappa: Estimate | None
    per_class: tuple[ClassAgreement, ...]


def compare(
    true: Sequence[str], given: Sequence[str], classes: Sequence[str], error: float = 0.05
) -> Comparison | None:
    """Compare labels with the true ones; labels outside of ``classes`` are left out; None when nothing is left.

    ``error`` is how often each interval may miss, by default 5 %.

    Raises:
        ValueError: there are not as many of the one as of the other.
    """
    if len(true) != len(given):
        raise ValueError(f"{len(true)} true labels for {len(given)} given ones; expected one each")
    place = {name: i for i, name in enumerate(classes)}
    pairs = [(place[t], place[g]) for t, g in zip(true, given, strict=True) if t in place and g in place]
    if not pairs:
        return None
    confusion_CC = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion_CC, tuple(np.array(pairs).T), 1)
    return Comparison(
        classes=tuple(classes),
        confusion_CC=confusion_CC,
        accuracy=wilson_interval(int(np.trace(confusion_CC)), len(pairs), error),
        macro_f1=macro_f1(confusion_CC, error),
        kappa=cohen_kappa(confusion_CC, error),
        per_class=tuple(_of_class(confusion_CC, c, name, error) for c, name in enumerate(classes)),
    )


def _of_class(confusion_CC: npt.NDArray[np.int64], c: int, name: str, error: float) -> ClassAgreement:
    hits, true, called = int(confusion_CC[c, c]), int(confusion_CC[c].sum()), int(confusion_CC[:, c].sum())
    return ClassAgreement(
        name,
        wilson_interval(hits, true, error) if true else None,
        wilson_interval(hits, called, error) if called else None,
    )
