"""What the preferences that one pair was given add up to.

As for labels, trusted annotations outvote all others, and among equals every annotator has one vote. Where as many find
the first better as the second, neither is: a tie.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nextlabel.server.assessment.consensus.votes import Consensus, newest_answers, undisputed_confidence
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import PREFERENCES, Preference, PreferredAlternative


def preference_consensus(annotations: Sequence[Annotation]) -> Consensus | None:
    """Return the consensus of one item's annotations; None when none of them is a preference.

    ``probabilities_C`` are the shares of `PREFERENCES`. The item is ``split`` when several answered and no answer has
    more votes than the others.
    """
    voters = newest_answers(annotations, Preference)
    trusted = [a for a in voters if a.trusted]
    counted = trusted or voters
    if not counted:
        return None
    choices = [a.answer.body.choice for a in counted if isinstance(a.answer.body, Preference)]
    votes_3 = np.array([choices.count(choice) for choice in PREFERENCES])
    even = int((votes_3 == votes_3.max()).sum()) > 1
    body = Preference(PreferredAlternative.TIE if even else PREFERENCES[int(votes_3.argmax())])
    return Consensus(
        row=counted[0].row,
        item_id=counted[0].item_id,
        body=body,
        vote_share=choices.count(body.choice) / len(choices),
        probabilities_C=(votes_3 / len(choices)).astype(np.float32),
        trusted=bool(trusted),
        annotations=len(counted),
        confidence=None if trusted else undisputed_confidence(voters, body),
        split=even,
    )
