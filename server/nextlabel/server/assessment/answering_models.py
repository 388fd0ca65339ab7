"""Whether the model that answers is the one that was asked: gateways and servers may put another in its place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from nextlabel.server.values.labeling.answers import Provenance

_SNAPSHOT = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2}|latest)")


def is_same_model(asked: str, answered: str) -> bool:
    """True when a reply's model is the one asked: the same name, or a dated snapshot of it.

    >>> is_same_model("claude-haiku-4-5", "claude-haiku-4-5-20251001"), is_same_model("gpt-9", "gpt-9-mini")
    (True, False)
    >>> is_same_model("local/small", "/models/small.gguf"), is_same_model("small", "")
    (True, True)
    """
    return not answered or _plain(asked) == _plain(answered)


def other_models(answers: Iterable[Provenance]) -> Counter[str]:
    """Count the answers that came from another model than the one asked, by the model that gave them."""
    return Counter(one.answered_model for one in answers if not is_same_model(one.requested_model, one.answered_model))


def _plain(name: str) -> str:
    """A name without folders, ending and snapshot; servers of local files answer with a path."""
    plain = name.rsplit("/", 1)[-1].removesuffix(".gguf")
    snapshot = _SNAPSHOT.search(plain)
    return plain[: snapshot.start()] if snapshot and snapshot.end() == len(plain) else plain
