"""What every row of the file got: a label, how sure, from whom, and whether a person should look again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from nextlabel.client.known_labels import KNOWN
from nextlabel.client.verdicts import NOBODY, Said, Standing, Verdict, verdict
from nextlabel.server.auto.job import PROJECT
from nextlabel.server.auto.rows import SourceRow

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.v1.annotation_pb2 import Consensus
    from nextlabel.v1.learner_service_pb2 import Prediction

ADDED = ("label", "confidence", "confidence_kind", "source", "review")
OF_SCORES = ("low", "high")
"""Added besides for scores: the ends of the interval where the learner gave one."""
_PREDICTED = 1_000


@dataclass(slots=True)
class Tally:
    """How many rows were labeled by whom, and how many need another look."""

    sources: Counter[str] = field(default_factory=Counter)
    review: int = 0
    rows: int = 0


def added_names(names: Sequence[str], *, interval: bool = False) -> Mapping[str, str]:
    """Return what the added columns are called: their own names, or longer ones where the file has such already.

    >>> added_names(["text", "label"])["label"]
    'nextlabel_label'
    """
    return {name: f"nextlabel_{name}" if name in names else name for name in ADDED + OF_SCORES * interval}


def outcomes(
    client: Client,
    rows: Iterable[SourceRow],
    names: Sequence[str],
    review_below: float,
    refused: Mapping[str, str],
    tally: Tally,
    *,
    interval: bool = False,
) -> Iterator[dict[str, Any]]:
    """Yield every row with its own columns and the added ones, in the order of the file.

    Rows with a ``problem``, and those of ``refused`` items (why, by id), have no label and say so. With ``interval``
    the ends of that of a score are added as well.
    """
    given = _answers(client)
    agreed = {consensus.item_id: consensus for consensus in client.labeling.list_consensus(PROJECT)}
    has_model = client.projects.get(PROJECT).model_version > 0
    added = added_names(names, interval=interval)
    remaining = iter(rows)
    while part := list(islice(remaining, _PREDICTED)):
        asked = [row for row in part if row.item_id and row.item_id not in refused]
        predicted = _predictions(client, asked) if has_model else {}
        for row in part:
            if row.known is None and (why := row.problem or refused.get(row.item_id)):
                found = Verdict(None, None, "", NOBODY, why)
            else:
                said, learner = given.of(row.item_id), predicted.get(row.item_id)
                found = _verdict(row, agreed.get(row.item_id), said, learner, review_below)
            tally.rows += 1
            tally.sources[found.source] += 1
            tally.review += bool(found.review)
            yield {**row.columns, **{column: getattr(found, name) for name, column in added.items()}}


def _verdict(
    row: SourceRow,
    consensus: Consensus | None,
    said: Collection[Said],
    learner: Prediction | None,
    review_below: float,
) -> Verdict:
    if row.known is not None:
        return Verdict(row.known, None, "", "known", "")
    return verdict(consensus, said, learner, review_below)


def _answers(client: Client) -> Standing:
    return Standing(one for one in client.labeling.annotations(PROJECT) if one.provenance.annotator != KNOWN)


def _predictions(client: Client, rows: Sequence[SourceRow]) -> Mapping[str, Prediction]:
    ids = list(dict.fromkeys(row.item_id for row in rows if row.known is None))
    if not ids:
        return {}
    response = client.learner.predict(PROJECT, item_ids=ids)
    return dict(zip(ids, response.predictions, strict=True))
