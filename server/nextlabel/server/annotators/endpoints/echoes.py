"""Credentials that a server repeats in its reply: they end here, before anything reads, stores or shows the reply."""

import html
import re
from collections.abc import Iterable, Iterator, Sequence

_NAME = re.compile(r"auth|key|token|secret|cookie|credential", re.IGNORECASE)
SHORTEST = 12
"""Of a credential that is looked for. What some servers take for a key, such as `none`, is a word of answers."""
HIDDEN = b"[hidden]"


def credentials(headers: Iterable[tuple[str, str]]) -> Sequence[bytes]:
    """The secrets in the headers of a request, by their names, longest first; without the scheme before them.

    Each also as servers write it in JSON, HTML and addresses, where it has characters that are written otherwise there.

    >>> credentials([("Authorization", "Bearer sk-0123456789"), ("x-api-key", "none"), ("accept", "application/json")])
    [b'sk-0123456789']
    >>> b"0123456789%2Fa" in credentials([("x-api-key", "0123456789/a")])
    True
    """
    found = {value.rpartition(" ")[2] for name, value in headers if _NAME.search(name)}
    forms = {form.encode() for one in found if len(one) >= SHORTEST for form in _written(one)}
    return sorted(forms, key=lambda one: (-len(one), one))


def _written(secret: str) -> Iterator[str]:
    yield secret
    yield secret.replace("/", r"\/")
    yield html.escape(secret)
    for escape in (r"\u{:04x}", r"\u{:04X}", "%{:02x}", "%{:02X}"):
        yield "".join(one if one.isalnum() or one in "-._~" else escape.format(ord(one)) for one in secret)


def without(secrets: Sequence[bytes], content: bytes) -> bytes:
    """The content with `[hidden]` wherever one of the secrets stands in it.

    >>> without([b"sk-0123456789"], b"Incorrect API key provided: sk-0123456789.")
    b'Incorrect API key provided: [hidden].'
    """
    for secret in secrets:
        content = content.replace(secret, HIDDEN)
    return content
