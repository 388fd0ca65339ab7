"""Who calls what: known to everything that runs within one call."""

from contextvars import ContextVar
from dataclasses import dataclass

from nextlabel.server.values.access import Role


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. An empty `project` is every project.

    `id` is stable and unique among principals; `name` is for people: logs, and the author of guidelines.
    """

    id: str
    name: str
    role: Role
    project: str = ""

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
