"""Classes of items and what annotators are like, each found from the other in turn (Dempster et al. 1977)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.consensus.table import AnswerTable

Floats = npt.NDArray[np.float64]
Parameters = TypeVar("Parameters")

_MAX_STEPS = 60
_TOLERANCE = 1e-3


def expectation_maximisation(
    table: AnswerTable,
    maximise: Callable[[Floats, Parameters | None], Parameters],
    expect: Callable[[Parameters], Floats],
) -> tuple[Floats, Parameters]:
    """Return class probabilities of all items, (N, C), and the parameters that they follow from; gold stays.

    Starts from the votes; the result is a local optimum.

    Args:
        maximise: parameters by class probabilities, and by the parameters before, None at the first step.
        expect: class probabilities by parameters.
    """
    votes_NC = table.votes + 1e-3
    posterior_NC = table.clamped(votes_NC / votes_NC.sum(axis=1, keepdims=True))
    parameters = maximise(posterior_NC, None)
    for step in range(1, _MAX_STEPS + 1):
        updated_NC = expect(parameters)
        moved = float(np.abs(updated_NC - posterior_NC).max(initial=0.0))
        posterior_NC = updated_NC
        if moved < _TOLERANCE or step == _MAX_STEPS:
            break
        parameters = maximise(posterior_NC, parameters)
    return posterior_NC, parameters
