"""What can be asked of runs that ask in turn, and what cannot."""

from __future__ import annotations

from collections.abc import Sequence

from nextlabel.server.assessment.routing.cascades import PERSON
from nextlabel.server.assessment.routing.plans import MOST_ANNOTATORS
from nextlabel.server.values.runs.annotator_options import RouteOptions, annotator_name
from nextlabel.server.values.runs.runs import RunSpec, Worth


def route_violations(spec: RunSpec) -> Sequence[tuple[str, str]]:
    """Return what is wrong with a run that asks in turn, by field; nothing for other runs."""
    options = spec.annotator
    if not isinstance(options, RouteOptions):
        return ()
    names = [annotator_name(member.annotator) for member in options.members]
    route, planned = "annotator.route", "who is asked about what is planned: leave it out"
    targets = (spec.target_accuracy, spec.target_macro_f1, spec.plateau.rounds, spec.stable_kappa)
    rows = [
        (route, not names and not options.person_micro_usd, "name a member, or a price of people's labels"),
        (f"{route}.members", len(names) > MOST_ANNOTATORS, f"at most {MOST_ANNOTATORS}, got {len(names)}"),
        (f"{route}.person_micro_usd", options.person_micro_usd < 0, "must not be negative"),
        ("limits.micro_usd", spec.limit.micro_usd <= 0, "a plan is made for a budget: say how much money it may take"),
        ("targets", any(targets) or spec.worth != Worth(), planned),
        ("audit_share", spec.audit_share > 0, planned),
        ("max_rounds", spec.max_rounds > 0, planned),
        ("items", bool(spec.items), planned),
        ("advice", spec.advice, "answers of routes are labels: leave it out"),
        ("train_while_asking", spec.train_while_asking, "nothing is trained between the steps of a plan: leave it out"),
    ]
    for place, (name, member) in enumerate(zip(names, options.members, strict=True)):
        at = f"{route}.members[{place}]"
        rows += [
            (f"{at}.micro_usd", member.micro_usd < 0, "must not be negative"),
            (f"{at}.name", name in names[:place], f"{name!r} is there twice"),
            (f"{at}.name", name == PERSON, f"{PERSON!r} stands for people: give another name"),
        ]
    return [(path, message) for path, wrong, message in rows if wrong]
