"""Messages of how annotators answered gold items each time that they were asked."""

from __future__ import annotations

from nextlabel.server.api.messages.runs.events import model_counts
from nextlabel.server.api.messages.values import timestamp
from nextlabel.server.assessment.gold_drift import PairedEvidence
from nextlabel.server.domain.quality.gold_askings import GoldAsking
from nextlabel.v1 import quality_service_pb2 as pb


def gold_asking(found: GoldAsking) -> pb.GoldAsking:
    """Return the message of a time that an annotator was asked about gold items."""
    return pb.GoldAsking(
        annotator=found.annotator,
        run_id=found.run,
        time=timestamp(found.at),
        model=found.model,
        changed=found.changed,
        items=found.items,
        right=found.right,
        change=None if found.evidence is None else _change(found.evidence),
        other_models=model_counts(found.other_models),
    )


def _change(evidence: PairedEvidence) -> pb.GoldChange:
    return pb.GoldChange(
        items=evidence.items,
        right_before=evidence.right_before,
        right_now=evidence.right_now,
        worse=evidence.worse,
        better=evidence.better,
        log_wealth=evidence.log_wealth,
        fallen=evidence.fallen,
    )
