"""What the consensus of items says of their classes, as the learner takes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.consensus.votes import Consensus


def distributions(found: Sequence[Consensus], classes: int) -> npt.NDArray[np.float32]:
    """Return the distributions of n items over the first ``classes`` classes, (n, C), rows summing to 1.

    A label that is right with a known probability has that one, and all other classes have the rest in equal parts;
    else the shares of the votes stand, which say how annotators differ and nothing of how often they err.
    """
    shares_nC: npt.NDArray[np.float32] = np.stack([c.probabilities_C[:classes] for c in found])
    shares_nC = shares_nC / shares_nC.sum(axis=1, keepdims=True)
    known = [i for i, c in enumerate(found) if c.confidence is not None and not c.trusted]
    if not known or classes < 2:
        return shares_nC
    confidence_k = np.array([found[i].confidence for i in known], np.float32)
    label_k = shares_nC[known].argmax(axis=1)
    shares_nC[known] = ((1 - confidence_k) / (classes - 1))[:, None]
    shares_nC[known, label_k] = confidence_k
    return shares_nC
