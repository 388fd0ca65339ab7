"""What goes with a call: the reference that it is found by in the server's log, and the token."""

import secrets
from dataclasses import dataclass, field

HEADER = "x-request-id"


def is_sendable(token: str) -> bool:
    """Whether a token can go into a header: it is visible ASCII without spaces.

    >>> is_sendable("nlt_0123"), is_sendable("nlt_0123\\n"), is_sendable("é")
    (True, False, False)
    """
    return all("!" <= character <= "~" for character in token)


@dataclass(frozen=True, slots=True)
class CallHeaders:
    """What goes with one call, and with its repetitions: a reference of its own, and the token, if there is one."""

    token: str | None
    reference: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The same as gRPC metadata."""
        referred = ((HEADER, self.reference),)
        return (*referred, ("authorization", f"Bearer {self.token}")) if self.token else referred
