"""What functions say of labeled items by their texts or ids, asked once about each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cachetools import LRUCache

from nextlabel.server.ports.filter_functions import FilterFunction, FunctionValue

KEPT: Final = 200_000
"""Values that are remembered, of all projects and functions together."""


@dataclass(frozen=True, slots=True)
class FunctionValues:
    """Asks functions by name, each about no more than what it was not asked about before."""

    functions: Mapping[str, FilterFunction] = field(default_factory=dict)
    _kept: LRUCache[tuple[str, bytes], FunctionValue] = field(init=False, default_factory=lambda: LRUCache(KEPT))

    async def of(self, name: str, told: Sequence[str]) -> Sequence[FunctionValue]:
        """Return the value of a function for each text or id that it is told.

        Raises what `FilterFunction.values` does.
        """
        hashes = [hashlib.blake2b(one.encode("utf-8", "surrogatepass"), digest_size=16).digest() for one in told]
        known = {one: self._kept[name, one] for one in set(hashes) if (name, one) in self._kept}
        missing = {one: text for one, text in zip(hashes, told, strict=True) if one not in known}
        if missing:
            values = await self.functions[name].values(list(missing.values()))
            known |= dict(zip(missing, values, strict=True))
            self._kept.update({(name, one): known[one] for one in missing})
        return [known[one] for one in hashes]
