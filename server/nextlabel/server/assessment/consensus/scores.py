"""What the scores that one item was given add up to.

As for labels, trusted annotations outvote all others. The answer is their mean, which is the best that can be said
while nobody is known to give higher scores than the rest; where that is known, each answer counts for what it says of
the item, and the more the less its annotator errs (see `raters`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nextlabel.server.assessment.consensus.raters import RaterModel
from nextlabel.server.assessment.consensus.votes import Consensus, newest_answers, undisputed_confidence
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Score
from nextlabel.server.values.projects.score_range import ScoreRange


def score_consensus(
    annotations: Sequence[Annotation], allowed: ScoreRange, raters: RaterModel | None = None
) -> Consensus | None:
    """Return the consensus of one item's annotations: the mean of what they say; None when none of them is a score.

    What only one annotator scored stays as it was given. ``vote_share`` is the share of annotators whose score, freed
    of their bias and scale, is the same answer as the mean, and the item is ``split`` when there are several and none
    of them agrees with it. There are no ``probabilities_C``.
    """
    voters = newest_answers(annotations, Score)
    trusted = [a for a in voters if a.trusted]
    counted = trusted or voters
    if not counted:
        return None
    given = [(a.annotator, a.answer.body.value) for a in counted if isinstance(a.answer.body, Score)]
    scores, weights = [score for _, score in given], [1.0] * len(given)
    if raters is not None and len(given) > 1:
        scores, weights = map(list, zip(*(raters.worth(*one) for one in given), strict=True))
    mean = float(np.average(scores, weights=weights))
    body = Score(min(max(mean, allowed.minimum), allowed.maximum))
    share = float(np.mean([allowed.same(score, body.value) for score in scores]))
    return Consensus(
        row=counted[0].row,
        item_id=counted[0].item_id,
        body=body,
        vote_share=share,
        probabilities_C=np.zeros(0, np.float32),
        trusted=bool(trusted),
        annotations=len(counted),
        confidence=None if trusted else undisputed_confidence(voters, body),
        split=len(counted) > 1 and share == 0,
    )
