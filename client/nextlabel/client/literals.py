"""The short names of enum values, for arguments: `"holdout"` for `SPLIT_HOLDOUT`."""

from typing import Literal

AnnotationTypeName = Literal["single_label", "multi_label", "score", "pairwise_preference", "text"]
"""What the items of a project ask for."""

SplitName = Literal["pool", "holdout", "gold"]
"""What items are for: to be labeled, only to evaluate, or to check annotators."""

StateName = Literal["unlabeled", "picked", "leased", "asked", "labeled", "unresolved", "given_up"]
"""Where an item stands; what is unresolved needs another answer, and what is given up says why."""

OutcomeName = Literal["label", "candidates", "refused", "truncated", "invalid", "failed", "skipped"]
"""What came of asking for an answer."""

JudgingName = Literal["preference", "score"]
"""How texts are judged: two at a time, or each by a score."""

ExportFormName = Literal["records", "sft", "dpo", "reward", "rationale", "advice"]
"""What a line of an export holds."""

FilteredName = Literal["drop", "mark", "keep"]
"""What becomes of labels that filters leave out: no rows, rows that say which filters, or rows like any other."""

DimensionName = Literal["labels", "tokens", "micro_usd"]
"""What a budget counts."""

WindowName = Literal["total", "day"]
"""What time a budget is for; days begin at 00:00 UTC."""

RoleName = Literal["reader", "annotator", "producer", "operator", "admin"]
"""What the bearer of a token may do."""

PlotFormName = Literal["vega_lite", "svg", "png"]
"""What a picture is written as."""

AxisName = Literal["labels", "tokens", "usd", "seconds"]
"""What a learning curve is drawn against."""

MeasureName = Literal["accuracy", "macro_f1"]
"""What a learning curve shows."""

MapColorName = Literal["label", "confidence", "pick"]
"""What the points of a map are coloured by."""
