"""How model versions use what annotators advise, for people."""

from nextlabel.client.cli.output.forms import Record

_USES = {
    "learner": "not heard: the learner alone does better on held-out labels",
    "advice": "predicts items that have some",
    "both": "predicts items that have some, together with the learner",
}


def advice_fields(advice: Record | None) -> Record:
    """The use of advice and what each advisor is worth, a field each; none where nobody advises."""
    if advice is None:
        return {}
    use = _USES.get(advice["source"], advice["source"])
    return {"advice": use} | {f"advisor {one['annotator']}": _worth(one) for one in advice["advisors"]}


def advice_line(advice: Record | None) -> str | None:
    """The same in a cell of a table; None where nobody advises."""
    if advice is None:
        return None
    advisors = "; ".join(f"{one['annotator']}: {_worth(one)}" for one in advice["advisors"])
    return f"{advice['source']} ({advisors})"


def _worth(one: Record) -> str:
    right = f"right on {one['right']:,} of {one['labels']:,} labels" if one["labels"] else "no label to judge it by"
    return f"{right}, weight {one['weight']:+.2f}"
