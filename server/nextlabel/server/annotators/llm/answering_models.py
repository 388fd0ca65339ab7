"""Which models answer one annotator: others than the one asked are counted, and may stop it."""

from collections import Counter

import structlog

from nextlabel.server.assessment.answering_models import is_same_model
from nextlabel.server.values.errors import AnnotatorStopped

_log = structlog.get_logger(__name__)


class AnsweringModels:
    """Counts the replies of other models than the one asked; the first one of each is logged."""

    def __init__(self, asked: str, *, stop: bool) -> None:
        self._asked = asked
        self._stop = stop
        self.others: Counter[str] = Counter()

    def record(self, answered: str) -> None:
        """Note which model says that it answered."""
        if is_same_model(self._asked, answered):
            return
        if answered not in self.others:
            _log.warning("other_model_answers", asked=self._asked, answered=answered)
        self.others[answered] += 1

    def check(self) -> None:
        """Raise `AnnotatorStopped` when another model has answered and that is to stop the annotator."""
        if self._stop and self.others:
            named = ", ".join(repr(name) for name in sorted(self.others))
            raise AnnotatorStopped(
                f"{named} answered where {self._asked!r} was asked; ask that model by its own name, or set "
                "annotators.other_model to warn",
                reason="ANNOTATOR_OTHER_MODEL",
            )
