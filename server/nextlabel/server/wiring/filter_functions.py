"""The functions that rules of filters may call: installed ones, and the owner's services and files of facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Final, Literal

import structlog

from nextlabel.server.annotators.fact_files import read_facts
from nextlabel.server.annotators.filter_services import FilterService, checked_values
from nextlabel.server.ports.filter_functions import FilterFunction, FunctionValue
from nextlabel.server.ports.system import Executor
from nextlabel.server.settings.filters import FilterSettings
from nextlabel.server.values.errors import FailedPrecondition

ENTRY_POINTS: Final = "nextlabel.filters"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class InstalledFunction:
    """A function of another distribution: it takes a text, and says a value of it. It is loaded when it is called."""

    entry: EntryPoint
    executor: Executor
    takes: Literal[""] = field(default="", init=False)

    async def values(self, texts: Sequence[str]) -> Sequence[FunctionValue]:
        """Return a value for each text; see `FilterFunction.values`."""
        return await self.executor.run(lambda: self._values(texts))

    def _values(self, texts: Sequence[str]) -> Sequence[FunctionValue]:
        try:
            function: Callable[[str], object] = self.entry.load()
            said = [function(text) for text in texts]
        except Exception as error:
            _log.exception("filter_function_failed", function=self.entry.name)
            raise FailedPrecondition(
                f"{self.entry.name}(text), which {self.entry.value.partition(':')[0]} provides, failed; the server's "
                "log has the details",
                reason="FILTER_FUNCTION",
            ) from error
        return checked_values(self.entry.name, said)


def filter_functions(settings: FilterSettings, executor: Executor) -> Mapping[str, FilterFunction]:
    """Return the functions by name; services and files have the names that the owner gave them, also of installed ones.

    Raises:
        FailedPrecondition: a file of facts cannot be read.
    """
    installed = {entry.name: InstalledFunction(entry, executor) for entry in entry_points(group=ENTRY_POINTS)}
    named = {
        name: FilterService(name, url, key.get_secret_value() if (key := settings.service_keys.get(name)) else None)
        for name, url in settings.services.items()
    }
    files = {name: read_facts(name, path) for name, path in settings.files.items()}
    return {**installed, **named, **files}
