"""What another look by a person is expected to bring, the same for labels that there are and for items without one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Floats = npt.NDArray[np.float64]


def expected_gain(wrong_probability: float, person_accuracy: float = 1.0, people: int = 0) -> float:
    """Return by how many right labels a look changes what is expected, in [0, 1].

    A person's answer takes the place of a model's label, or of the learner's where there is no label, and is right with
    ``person_accuracy``. Where ``people`` agree on the label the answer is one voice among theirs; where their votes are
    even it decides, as if there were none.

    >>> round(expected_gain(0.3, 0.98), 2), round(expected_gain(0.3, people=1), 2), expected_gain(0.01, 0.95)
    (0.28, 0.15, 0.0)

    Raises:
        ValueError: a probability outside [0, 1], or fewer than no people.
    """
    if not 0 <= wrong_probability <= 1 or not 0 <= person_accuracy <= 1 or people < 0:
        raise ValueError(f"{wrong_probability:g}, {person_accuracy:g} and {people}; expected shares and a count")
    return max(0.0, person_accuracy - (1 - wrong_probability)) / (people + 1)


def ordered_by_both(calibrated_n: Floats, second_n: Floats) -> Floats:
    """Return probabilities that n labels are wrong: the calibrated ones, dealt out in the order of both opinions.

    The order is that of the sum of an item's two ranks, so that neither scale counts (Borda's rule): how many labels
    are wrong is left as it was, which ones it are is said by both.

    >>> ordered_by_both(np.array([0.1, 0.5, 0.4]), np.array([0.0, 0.2, 0.9])).tolist()
    [0.1, 0.45, 0.45]
    """
    together_n = rankdata(calibrated_n) + rankdata(second_n)
    rising_n = np.sort(calibrated_n)
    # Items that are alike by both share what their places hold.
    first_n, last_n = rankdata(together_n, "min").astype(int) - 1, rankdata(together_n, "max").astype(int)
    sums_n = np.concatenate([[0.0], np.cumsum(rising_n)])
    mean_n = (sums_n[last_n] - sums_n[first_n]) / (last_n - first_n)
    return np.asarray(np.clip(mean_n, rising_n[first_n], rising_n[last_n - 1]))
