"""Plans of routes as messages."""

from __future__ import annotations

from nextlabel.server.api.messages.assessment.quality import estimate
from nextlabel.server.domain.reports.routing import FoundPlan
from nextlabel.v1 import quality_service_pb2 as pb


def route_plan(found: FoundPlan) -> pb.QuoteRoutesResponse:
    """Return who should be asked about what."""
    plan = found.plan
    alone, people = plan.llm_alone, plan.people_micro_usd
    return pb.QuoteRoutesResponse(
        steps=[
            pb.RouteStep(
                asked=step.route,
                items=step.items,
                lowest_confidence=step.lowest,
                highest_confidence=step.highest,
                accuracy=step.accuracy,
                micro_usd=round(step.micro_usd),
            )
            for step in plan.steps
        ],
        items=plan.items,
        accuracy=estimate(plan.accuracy),
        micro_usd=round(plan.micro_usd),
        learner_accuracy=plan.learner_accuracy,
        llm_alone=None
        if alone is None
        else pb.LlmAlone(annotator=alone.annotator, items=alone.items, accuracy=alone.accuracy),
        people_micro_usd=None if people is None else round(people),
        person_accuracy=estimate(found.person_accuracy),
        prices=[pb.AnnotatorPrice(annotator=name, micro_usd=round(price)) for name, price in found.prices.items()],
    )
