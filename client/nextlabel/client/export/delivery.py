"""Every item of a pool as a row, with its label and the certificate that it was accepted under."""

from collections.abc import Iterable, Iterator
from typing import Any

from nextlabel.client.messages.answers import plain_answer
from nextlabel.client.messages.enums import enum_name
from nextlabel.client.messages.plain import plain
from nextlabel.v1 import quality_service_pb2 as pb


def delivered_rows(found: pb.GetDeliveryResponse, labels: Iterable[pb.DeliveredLabel]) -> Iterator[dict[str, Any]]:
    """Rows with the item's own metadata last.

    `accepted_by` names the source whose certificate the label is accepted under, with the promise, the threshold, the
    gold items above it and the lowest accuracy that they leave possible; empty for other labels. `look` says why a
    person should look, empty where none has to. `joined_by` is the way in which annotators' answers were joined, empty
    for labels that are no consensus.
    """
    proven = next((one.certificate for one in found.tested if one.annotator == found.accepted_by), None)
    for one in labels:
        is_proven = proven is not None and one.HasField("score") and one.look == pb.LOOK_REASON_UNSPECIFIED
        row: dict[str, Any] = {
            "id": one.item.id,
            "text": one.item.text,
            "label": plain_answer(one.answer) if one.HasField("answer") else None,
            "confidence": round(one.confidence, 4) if one.HasField("confidence") else None,
            "confidence_kind": enum_name(one, "confidence_kind") if one.HasField("confidence") else "",
            "source": enum_name(one, "source"),
            "annotators": ", ".join(one.annotators),
            "joined_by": one.joined_by,
            "look": enum_name(one, "look").replace("_", " ") if one.look else "",
            "accepted_by": found.accepted_by if is_proven else "",
            "promised_accuracy": found.accuracy if is_proven else None,
            "threshold": proven.threshold if is_proven and proven else None,
            "gold_items": proven.gold_items if is_proven and proven else None,
            "lower_bound": round(proven.lower_bound, 4) if is_proven and proven else None,
            "split": enum_name(one.item, "split"),
        }
        for key, value in plain(one.item.metadata).items():
            row[f"metadata.{key}" if key in row else key] = value
        yield row
