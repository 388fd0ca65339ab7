"""Measures of a model as people read them."""

from collections.abc import Mapping

from nextlabel.client.messages.amounts import percent

ERROR = "mean_absolute_error"
LOG_LOSS = "log_loss"
DECIDED = "decided_accuracy"
NUMBERS = (
    ERROR,
    LOG_LOSS,
    "root_mean_squared_error",
    "interval_width",
    "spearman",
    "quadratic_weighted_kappa",
    "mean_cost",
)
"""Measures that are no shares: errors are in scores, the log loss in nats, costs as declared, others correlations."""


def known_macro_f1(macro_f1: float, measures: Mapping[str, float]) -> float | None:
    """The macro-F1 of a model with these measures; None for one of scores or preferences, which have no classes."""
    return None if has_no_classes(measures) else macro_f1


def has_no_classes(measures: Mapping[str, float]) -> bool:
    """Whether a model with these measures is one of scores or preferences."""
    return ERROR in measures or LOG_LOSS in measures


def beside_accuracy(macro_f1: float, measures: Mapping[str, float]) -> tuple[str, str]:
    """What tells most of a model beside its accuracy, by name and value: macro-F1 where there are classes.

    >>> beside_accuracy(0.5, {}), beside_accuracy(0.0, {"mean_absolute_error": 0.4321})
    (('macro-F1', '50.0%'), ('error', '0.432'))
    """
    for name, measure in (("error", ERROR), ("log loss", LOG_LOSS)):
        if measure in measures:
            return name, shown_measure(measure, measures[measure])
    return "macro-F1", percent(macro_f1)


def shown_measure(name: str, value: float) -> str:
    """The value of a measure.

    >>> shown_measure("micro_f1", 0.5), shown_measure("mean_absolute_error", 0.4321)
    ('50.0%', '0.432')
    """
    return f"{value:.3g}" if name in NUMBERS else percent(value)
