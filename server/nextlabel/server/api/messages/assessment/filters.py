"""Filters and what they leave out as messages."""

from __future__ import annotations

from nextlabel.server.api.messages.values import timestamp
from nextlabel.server.domain.learning.training_labels.label_filters import NamedLabel
from nextlabel.server.values.labeling.filters import KeptItem, LabelFilter
from nextlabel.v1 import quality_service_pb2 as pb


def filter_hit(hit: NamedLabel) -> pb.FilterHit:
    """Return a label that one rule names."""
    [why] = hit.why.values()
    return pb.FilterHit(item_id=hit.item_id, label=hit.label, why=why)


def filter_message(found: LabelFilter) -> pb.Filter:
    """Return a filter."""
    return pb.Filter(
        name=found.name,
        rule=found.rule,
        enabled=found.enabled,
        created_by=found.created_by,
        create_time=timestamp(found.created_at),
        changed_by=found.changed_by,
        change_time=timestamp(found.changed_at),
    )


def filtered_label(found: NamedLabel) -> pb.FilteredLabel:
    """Return a label that filters leave out."""
    reasons = [pb.FilterReason(filter=name, why=why) for name, why in sorted(found.why.items())]
    return pb.FilteredLabel(item_id=found.item_id, label=found.label, reasons=reasons)


def kept_item(found: KeptItem) -> pb.KeptItem:
    """Return an item that is kept in spite of filters."""
    return pb.KeptItem(item_id=found.item_id, kept_by=found.kept_by, keep_time=timestamp(found.kept_at))
