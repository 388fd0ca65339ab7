"""Distances of answers."""

from enum import StrEnum


class Metric(StrEnum):
    """How far two answers about one item are apart, for Krippendorff's alpha.

    NOMINAL: equal or not; ORDINAL: by rank; INTERVAL: by the difference of numbers; MASI: sets by what they share.
    """

    NOMINAL = "nominal"
    ORDINAL = "ordinal"
    INTERVAL = "interval"
    MASI = "masi"
