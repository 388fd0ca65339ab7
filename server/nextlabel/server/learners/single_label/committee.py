"""A committee of linear heads on bootstrap samples, for query by committee (Abe & Mamitsuka 1998)."""

from __future__ import annotations

import numpy as np

from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.scale import spread_of
from nextlabel.server.learners.single_label.estimators import HeadClassifier
from nextlabel.server.learners.single_label.learner import logistic_settings, starting_head, teach
from nextlabel.server.learners.targets import targets_of
from nextlabel.server.learners.threads import TRAINING_THREADS
from nextlabel.server.learners.training import TrainingSet

MAX_MEMBERS = 50


def train_committee(training: TrainingSet, model: Model, members: int, seed: int) -> tuple[TrainedHead, ...]:
    """Logistic regressions on bootstrap samples of the labels, started from the model where it is linear.

    Deterministic in its arguments. A member is unsure about classes that its sample misses: it gives them 0.

    Args:
        members: size of the committee, in [1, 50].

    Raises:
        ValueError: if `members` is out of range.
    """
    if not 1 <= members <= MAX_MEMBERS:
        raise ValueError(f"members is {members}; a committee has from 1 to {MAX_MEMBERS} members")
    rng = np.random.default_rng(seed)
    spread = spread_of(training.embeddings_ND)
    training, model = training.stretched(1 / spread), model.stretched(1 / spread)
    n = len(training.labels_N)
    settings = logistic_settings(model.spec, training.n_classes)
    start = starting_head(model, training)
    heads = []
    with TRAINING_THREADS.bounded():
        for _ in range(members):
            if n == 0:
                heads.append(
                    TrainedHead.constant(training.n_classes, training.embeddings_ND.shape[1], np.array([], int))
                )
                continue
            labels = targets_of(training.take(rng.integers(0, n, n))).labels
            member = HeadClassifier(settings, start=start)
            teach(member, labels.embeddings_ND, labels.labels_N, sample_weight=labels.weights_N)
            heads.append(member.head_.stretched(spread))
    return tuple(heads)
