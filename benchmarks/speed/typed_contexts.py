"""What strategies know of the learner of each annotation type, trained by the server's own code on made-up labels."""

from __future__ import annotations

import numpy as np

from nextlabel.server.assessment.ranking.davidson import FIRST, SECOND, TIE
from nextlabel.server.domain.learning.types.multi_label import MultiLabelLearner
from nextlabel.server.domain.learning.types.preferences import PreferenceLearner
from nextlabel.server.domain.learning.types.scores import ScoreLearner
from nextlabel.server.domain.selection.context import selection_context
from nextlabel.server.learners.multi_label.learner import train_multi_label
from nextlabel.server.learners.multi_label.training import MultiLabelTraining
from nextlabel.server.learners.preferences.learner import train_preferences
from nextlabel.server.learners.preferences.training import PreferenceTraining
from nextlabel.server.learners.scores.learner import train_scores
from nextlabel.server.learners.scores.training import ScoreTraining
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.values.projects.score_range import ScoreRange
from nextlabel.strategies import SelectionContext, Strategy
from nextlabel.strategies.arithmetic.arrays import Floats, Rows

TYPES = ("multi_label", "score", "preference")
SECOND_CLASS = 0.4
"""Share of the items that have two classes."""

DEFAULT = parse_learner_spec("default", {})


def typed_context(annotation: str, strategy: Strategy, labeled_LD: Floats, classes_L: Rows, n: int) -> SelectionContext:
    """Return the context of a selection after labels that follow from L items' clusters, of ``n`` in all.

    Several classes: that of the cluster, the n-th a hundredth as frequent as the first, some items with a second one.
    A score: the place of the cluster among all, with noise. A preference: which half of the embedding lies further
    along a random direction.
    """
    rng, trusted_L = np.random.default_rng(0), np.ones(len(labeled_LD), np.bool_)
    if annotation == "multi_label":
        targets_LC = np.eye(n, dtype=np.float32)[classes_L]
        targets_LC[np.arange(len(classes_L)), (classes_L + 1) % n] = rng.random(len(classes_L)) < SECOND_CLASS
        targets_LC *= rng.random(targets_LC.shape) < np.geomspace(1, 0.01, n)
        several = MultiLabelTraining(labeled_LD, targets_LC, trusted_L, tuple(f"class {c}" for c in range(n)))
        model = train_multi_label(several, DEFAULT, 0, None)
        return selection_context(strategy, MultiLabelLearner(), model, several, seed=1)
    if annotation == "score":
        scores_L = np.clip((classes_L + rng.normal(0, 0.3, len(classes_L))) / n, 0, 1)
        scored = ScoreTraining(labeled_LD, scores_L, trusted_L, ScoreRange(0, 1))
        return selection_context(strategy, ScoreLearner(), train_scores(scored, DEFAULT), scored, seed=1)
    half = labeled_LD.shape[1] // 2
    ahead_L = (labeled_LD[:, :half] - labeled_LD[:, half:]) @ rng.standard_normal(half)
    answers_L = np.where(np.abs(ahead_L) < np.quantile(np.abs(ahead_L), 0.2), TIE, np.where(ahead_L > 0, FIRST, SECOND))
    paired = PreferenceTraining(labeled_LD, answers_L, trusted_L)
    return selection_context(strategy, PreferenceLearner(), train_preferences(paired, DEFAULT), paired, seed=1)
