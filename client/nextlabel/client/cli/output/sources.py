"""What the labels of each source bought, as a table for people."""

from collections.abc import Sequence

from nextlabel.client.cli.output.forms import Record, TableColumns
from nextlabel.client.messages.amounts import count_within, points_within, share_within, usd, usd_within
from nextlabel.client.messages.source_points import source_name


def shares_by_source(sources: Sequence[Record]) -> str | None:
    """Whose the labels are that a model was trained on; None where that is not known.

    >>> shares_by_source([{"source": "human", "labels": 50}, {"source": "llm", "labels": 150}])
    'people 25%, LLMs 75%'
    """
    every = sum(one["labels"] for one in sources)
    return ", ".join(f"{source_name(one)} {one['labels'] / every:.0%}" for one in sources) or None


def source_columns(found: Record) -> TableColumns:
    """The columns of the table; a column that no source has anything for is left out."""
    labels = next((one["more_labels"]["labels"] for one in found["curves"] if one["more_labels"]), 0)
    columns: TableColumns = {
        "LABELS OF": source_name,
        "LABELS": lambda c: f"{c['labels']:,}",
        "COST": lambda c: usd(c["micro_usd"]),
        "ACCURACY": lambda c: share_within(c["points"][-1]["accuracy"]) if c["points"] else "fewer than 20 labels",
        f"WITH {found['matched_labels']:,} LABELS": lambda c: share_within(c["matched_accuracy"]),
        "AGAINST THE FIRST": lambda c: points_within(c["matched_gain"]),
        "THE LAST HALF GAINED": lambda c: points_within(c["last_half"] and c["last_half"]["gain"]),
        "A POINT TOOK": lambda c: _a_point(c["last_half"]),
        f"{labels:,} MORE WOULD GAIN": lambda c: points_within(c["more_labels"] and c["more_labels"]["gain"]),
        "A POINT WOULD TAKE": lambda c: _a_point(c["more_labels"]),
        "THE MONEY WOULD GAIN": _of_money,
    }
    return {name: column for name, column in columns.items() if any(column(one) for one in found["curves"])}


def _a_point(bought: Record | None) -> str | None:
    """Labels and money that one point of accuracy takes."""
    if bought is None:
        return None
    labels, money = bought["labels_a_point"], bought["money_a_point"]
    if labels["value"] is None or money is None:
        return f"{count_within(labels)} labels" if labels["low"] is not None else count_within(labels)
    return f"{count_within(labels)} labels, {usd_within(money)}"


def _of_money(curve: Record) -> str | None:
    bought = curve["more_money"]
    if bought is None:
        return None
    return f"{points_within(bought['gain'])} for {usd(bought['micro_usd'])}, {bought['labels']:,} labels"
