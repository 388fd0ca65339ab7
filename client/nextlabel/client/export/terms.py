"""On which terms labels are handed over."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """A license, by its address or its SPDX name, and how to cite the labels; empty where it is not said."""

    license: str = ""
    cite_as: str = ""


NO_TERMS = Terms()
