"""Numbers in words, as the pages show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from nextlabel.client.messages.measures import known_macro_f1
from nextlabel.server.web.words.answers import answer_text
from nextlabel.v1 import (
    annotation_pb2,
    budget_service_pb2,
    learner_service_pb2,
    pool_pb2,
    project_service_pb2,
    run_service_pb2,
)

_ADVICE_USES: Mapping[int, str] = {
    learner_service_pb2.PREDICTION_SOURCE_LEARNER: "the learner alone, which does better on held-out labels",
    learner_service_pb2.PREDICTION_SOURCE_ADVICE: "advice alone",
    learner_service_pb2.PREDICTION_SOURCE_BOTH: "learner and advice together",
}


def percent(share: float, digits: int = 1) -> str:
    """Return a share in [0, 1] in per cent.

    >>> percent(0.8571)
    '85.7 %'
    """
    return f"{100 * share:.{digits}f} %"


def dollars(micro_usd: int) -> str:
    """Return millionths of a dollar in dollars, small amounts with more digits.

    >>> dollars(1_500_000), dollars(1_234), dollars(0)
    ('$1.50', '$0.0012', '$0.00')
    """
    amount = micro_usd / 1e6
    return f"${amount:,.4f}" if 0 < abs(amount) < 0.01 else f"${amount:,.2f}"


def count(number: int) -> str:
    """Return a whole number in groups of three digits.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{number:,}"


def number(value: float) -> str:
    """Return a number without needless digits.

    >>> number(5.0), number(0.25)
    ('5', '0.25')
    """
    return f"{value:g}"


def duration(hours: float) -> str:
    """Return a time span to two digits or so.

    >>> duration(0.01), duration(0.5), duration(3.24), duration(60)
    ('less than a minute', '30 minutes', '3.2 hours', '2.5 days')
    """
    if hours < 1 / 60:
        return "less than a minute"
    if hours < 2:
        return f"{60 * hours:.0f} minutes"
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"


def moment(at: Timestamp) -> str:
    """Return a time to the second, in UTC; '' for none."""
    if not at.seconds:
        return ""
    return datetime.fromtimestamp(at.seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _named(enum: Any, prefix: str) -> Callable[[int], str]:
    def name(number: int) -> str:
        try:
            return str(enum.Name(number)).removeprefix(prefix).lower().replace("_", " ")
        except ValueError:
            return str(number)

    return name


def advice_use(source: int) -> str:
    """Return what predicts items that somebody has advised on.

    >>> advice_use(learner_service_pb2.PREDICTION_SOURCE_ADVICE)
    'advice alone'
    """
    return _ADVICE_USES.get(source, "the learner")


FILTERS: Mapping[str, Callable[..., Any]] = {
    "percent": percent,
    "known_macro_f1": known_macro_f1,
    "dollars": dollars,
    "count": count,
    "number": number,
    "duration": duration,
    "moment": moment,
    "answer": answer_text,
    "outcome": _named(annotation_pb2.Outcome, "OUTCOME_"),
    "annotator_kind": _named(annotation_pb2.AnnotatorKind, "ANNOTATOR_KIND_"),
    "annotation_type": _named(annotation_pb2.AnnotationType, "ANNOTATION_TYPE_"),
    "run_state": _named(run_service_pb2.RunState, "RUN_STATE_"),
    "stop_reason": _named(run_service_pb2.StopReason, "STOP_REASON_"),
    "dimension": _named(budget_service_pb2.BudgetDimension, "BUDGET_DIMENSION_"),
    "window": _named(budget_service_pb2.BudgetWindow, "BUDGET_WINDOW_"),
    "entry_kind": _named(budget_service_pb2.LedgerEntryKind, "LEDGER_ENTRY_KIND_"),
    "item_state": _named(pool_pb2.ItemState, "ITEM_STATE_"),
    "advice_use": advice_use,
    "need": _named(pool_pb2.NeedReason, "NEED_REASON_"),
    "split": _named(pool_pb2.Split, "SPLIT_"),
    "guidelines_state": _named(project_service_pb2.GuidelinesState, "GUIDELINES_STATE_"),
}
