"""What another look by a person is expected to bring, the same for labels that there are and for items without one."""

from __future__ import annotations


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
