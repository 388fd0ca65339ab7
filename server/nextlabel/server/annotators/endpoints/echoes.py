"""Credentials that a server repeats in its reply: they end here, before anything reads, stores or shows the reply."""

import re
from collections.abc import Iterable, Sequence

_NAME = re.compile(r"auth|key|token|secret|cookie|credential", re.IGNORECASE)
SHORTEST = 12
"""Of a credential that is looked for. What some servers take for a key, such as `none`, is a word of answers."""
HIDDEN = b"[hidden]"


def credentials(headers: Iterable[tuple[str, str]]) -> Sequence[bytes]:
    """The secrets in the headers of a request, by their names, longest first; without the scheme before them.

    >>> credentials([("Authorization", "Bearer sk-0123456789"), ("x-api-key", "none"), ("accept", "application/json")])
    [b'sk-0123456789']
    """
    found = {value.rpartition(" ")[2].encode() for name, value in headers if _NAME.search(name)}
    return sorted((one for one in found if len(one) >= SHORTEST), key=lambda one: (-len(one), one))


def without(secrets: Sequence[bytes], content: bytes) -> bytes:
    """The content with `[hidden]` wherever one of the secrets stands in it.

    >>> without([b"sk-0123456789"], b"Incorrect API key provided: sk-0123456789.")
    b'Incorrect API key provided: [hidden].'
    """
    for secret in secrets:
        content = content.replace(secret, HIDDEN)
    return content
