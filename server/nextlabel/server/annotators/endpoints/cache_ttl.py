"""How long prompts are kept by a provider."""

from __future__ import annotations

from enum import StrEnum


class CacheTtl(StrEnum):
    """How long a prompt cache entry lives; the longer one costs more to write."""

    FIVE_MINUTES = "5m"
    ONE_HOUR = "1h"
