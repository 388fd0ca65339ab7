"""Who calls what: known to everything that runs within one call."""

from contextvars import ContextVar
from dataclasses import dataclass

from nextlabel.server.values.access import Role
from nextlabel.server.values.errors import PermissionDenied


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. An empty `project` is every project.

    `id` is stable and unique among principals; `name` is for people: logs, and the author of guidelines. `annotators`
    are the names that it may answer as; none for any name.
    """

    id: str
    name: str
    role: Role
    project: str = ""
    annotators: tuple[str, ...] = ()

    def answers_as(self, annotator: str) -> str:
        """Return the name that the caller answers as: the one given, or the only one that it may use.

        Raises:
            PermissionDenied: it may not answer under that name.
        """
        if not self.annotators or annotator in self.annotators:
            return annotator
        if not annotator and len(self.annotators) == 1:
            return self.annotators[0]
        names = ", ".join(map(repr, self.annotators[:10]))
        raise PermissionDenied(
            f"these credentials answer as {names}, not as {annotator!r}; name yourself so, or ask an admin for a token "
            "with your annotator name",
            reason="ANNOTATOR_NOT_ALLOWED",
        )

    def may_see(self, project: str) -> bool:
        """True when the scope of the caller includes a project of that name, whether it exists or not."""
        return self.project in ("", project)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its full method name, the reference under which the log has it, and the caller."""

    method: str
    reference: str
    principal: Principal


_current: ContextVar[Call] = ContextVar("nextlabel_call")


def enter(call: Call) -> None:
    """Make `call` the current one for the rest of this task; gRPC gives every call its own."""
    _current.set(call)


def current_call() -> Call:
    """Return the call that this code runs for; LookupError outside of calls."""
    return _current.get()
