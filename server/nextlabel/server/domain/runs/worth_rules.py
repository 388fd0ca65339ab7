"""What can be asked of a run that is to end when labels are not worth what they cost."""

from __future__ import annotations

from collections.abc import Sequence

from nextlabel.server.values.runs.annotator_options import HumanOptions, ReplayOptions
from nextlabel.server.values.runs.runs import RunSpec


def worth_violations(spec: RunSpec) -> Sequence[tuple[str, bool, str]]:
    """Return what may be wrong, by field: whether it is, and what is allowed."""
    point, label = spec.worth.point_micro_usd, spec.worth.label_micro_usd
    unpaid = isinstance(spec.annotator, HumanOptions | ReplayOptions)
    return (
        ("targets.point_micro_usd", point < 0, "must not be negative"),
        ("targets.label_micro_usd", label < 0, "must not be negative"),
        (
            "targets.label_micro_usd",
            point > 0 and unpaid and not label,
            "such labels cost nothing in the books: say what one costs, or leave out what a point is worth",
        ),
        (
            "targets.label_micro_usd",
            label > 0 and not point,
            "say what a point of accuracy is worth, too",
        ),
    )
