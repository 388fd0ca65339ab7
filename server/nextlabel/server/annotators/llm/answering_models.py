"""Whether the model that answers is the one that was asked: gateways and servers may put another in its place."""

import re
from collections import Counter

import structlog

from nextlabel.server.values.errors import AnnotatorStopped

_SNAPSHOT = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2}|latest)")
_log = structlog.get_logger(__name__)


def is_same_model(asked: str, answered: str) -> bool:
    """True when a reply's model is the one asked: the same name, or a dated snapshot of it.

    >>> is_same_model("claude-haiku-4-5", "claude-haiku-4-5-20251001"), is_same_model("gpt-9", "gpt-9-mini")
    (True, False)
    >>> is_same_model("local/small", "/models/small.gguf"), is_same_model("small", "")
    (True, True)
    """
    return not answered or _plain(asked) == _plain(answered)


def _plain(name: str) -> str:
    """A name without folders, ending and snapshot; servers of local files answer with a path."""
    plain = name.rsplit("/", 1)[-1].removesuffix(".gguf")
    snapshot = _SNAPSHOT.search(plain)
    return plain[: snapshot.start()] if snapshot and snapshot.end() == len(plain) else plain


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
