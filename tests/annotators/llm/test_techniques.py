"""Prompting techniques as they reach the wire and come back."""

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from nextlabel.server.annotators.endpoints.anthropic import AnthropicConnection, AnthropicEndpoint
from nextlabel.server.annotators.llm.annotator import LlmAnnotator, Lookups
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.prompting.packing import packs
from nextlabel.server.annotators.prompting.prompts import variant_label_order
from nextlabel.server.annotators.prompting.technique import Retrieval, Technique
from nextlabel.server.annotators.prompting.templates import VARIABLES, check_template, render_system
from nextlabel.server.annotators.replay import ReplayAnnotator
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import AnnotatorStopped, InvalidArgument, Unavailable
from nextlabel.server.values.labeling.answers import (
    Candidate,
    ConfidenceKind,
    Label,
    Outcome,
    Preference,
    PreferredAlternative,
)
from nextlabel.server.values.labeling.tasks import Demonstration, ItemToAnnotate, Task
from nextlabel.server.values.projects.projects import LabelClass
from tests.annotators.shop import LABELS, PRICE, collect, make_items, make_task
from tests.fake_anthropic import Asked, FakeAnthropic, Fault, Scripted
from tests.fake_anthropic.brains import compose
from tests.fake_anthropic.faults import overloaded

MakeAnnotator = Callable[..., LlmAnnotator]


class Library:
    """A `DemonstrationSource` over a list; nearest = same last digit."""

    def __init__(self, shown: Sequence[Demonstration]) -> None:
        self.shown = shown
        self.asked: list[tuple[str, str, int]] = []

    async def fixed(self, k: int) -> Sequence[Demonstration]:
        return self.shown[:k]

    async def nearest(self, item: ItemToAnnotate, k: int) -> Sequence[Demonstration]:
        self.asked.append(("nearest", item.item_id, k))
        return self.shown[item.row % 2 :: 2][:k]

    async def nearest_per_label(self, item: ItemToAnnotate, k: int) -> Sequence[Demonstration]:
        self.asked.append(("per label", item.item_id, k))
        return self.shown[:k]


DEMONSTRATIONS = tuple(
    Demonstration(f"d{number}", f"example {number}", Label(LABELS[number % 3]), "It says so.") for number in range(6)
)


async def test_fixed_demonstrations_are_in_the_shared_prefix_and_retrieved_ones_behind_it(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    library = Library(DEMONSTRATIONS)
    annotator = make_annotator(
        technique=Technique(retrieval=Retrieval.NEAREST, shots=2), lookups=Lookups(demonstrations=library)
    )
    await collect(annotator, make_task(demonstrations=DEMONSTRATIONS[:1]), make_items(3))
    assert {asked[2] for asked in library.asked} == {2}
    systems = {request["system"][0]["text"] for request in fake.requests}
    assert len(systems) == 1, "the prefix is the same for all items"
    assert "example 0" in systems.pop()
    for request in fake.requests:
        user = request["messages"][0]["content"]
        assert user.index("example") < user.index('id="q1"'), "the item comes last"


async def test_label_diverse_demonstrations_are_asked_for(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    library = Library(DEMONSTRATIONS)
    technique = Technique(retrieval=Retrieval.LABEL_DIVERSE, shots=3)
    await collect(
        make_annotator(technique=technique, lookups=Lookups(demonstrations=library)), make_task(), make_items(1)
    )
    assert library.asked == [("per label", "mail-00000", 3)]
    assert fake.requests[0]["messages"][0]["content"].count("Answer: ") == 3


@pytest.mark.parametrize(
    ("asked", "order"),
    [
        (Technique(), []),
        (Technique(justification=True), [1, 0]),
        (Technique(justification=True, reason_first=True), [0, 1]),
    ],
    ids=["no reasons", "after the answer", "before it"],
)
async def test_demonstrations_show_reasons_where_reasons_are_asked_for(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, asked: Technique, order: list[int]
) -> None:
    technique = replace(asked, retrieval=Retrieval.NEAREST, shots=1)
    lookups = Lookups(demonstrations=Library(DEMONSTRATIONS))
    await collect(make_annotator(technique=technique, lookups=lookups), make_task(), make_items(1))
    shown = fake.requests[0]["messages"][0]["content"].partition("mail number")[0]
    places = [shown.find("Because:"), shown.find("Answer: ")]
    assert (sorted(range(2), key=places.__getitem__) if "Because:" in shown else []) == order
    assert ("It says so." in shown) == bool(order)


async def test_justification_comes_after_the_label(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    answers = await collect(make_annotator(technique=Technique(justification=True)), make_task(), make_items(1))
    properties = list(fake.requests[0]["output_config"]["format"]["schema"]["properties"])
    assert properties.index("label") < properties.index("justification")
    assert next(iter(answers.values())).rationale.startswith("It says")
    assert "step by step" not in json.dumps(fake.requests[0]).lower()


async def test_candidates(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    answers = await collect(make_annotator(technique=Technique(candidates=2)), make_task(), make_items(1))
    (answer,) = answers.values()
    assert answer.outcome is Outcome.CANDIDATES
    assert [candidate.probability for candidate in answer.candidates] == [0.7, 0.2]
    assert answer.confidence == 0.7


async def test_samples_stop_early_when_two_agree(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    answers = await collect(make_annotator(technique=Technique(samples=5)), make_task(), make_items(4))
    assert fake.books.charged_requests == 8
    assert all(answer.signals["agreement"] == 1.0 for answer in answers.values())
    systems = {request["system"][0]["text"] for request in fake.requests}
    assert len(systems) == 2, "the second sample is a variant of the prompt, not a repeat"


async def test_samples_that_disagree_become_candidates_with_their_vote_shares(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    votes = deque(["billing", "shipping"])
    fake.brain = Scripted(lambda asked: compose(asked, lambda _: votes.popleft()))
    answers = await collect(make_annotator(technique=Technique(samples=2)), make_task(), make_items(1))
    (answer,) = answers.values()
    assert answer.outcome is Outcome.CANDIDATES
    assert answer.candidates == (Candidate("billing", 0.5), Candidate("shipping", 0.5))
    assert answer.signals == {"agreement": 0.5}


async def test_plurality_wins_and_its_share_is_a_signal(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    votes = deque(["billing", "shipping", "shipping"])
    fake.brain = Scripted(lambda asked: compose(asked, lambda _: votes.popleft()))
    answers = await collect(make_annotator(technique=Technique(samples=3)), make_task(), make_items(1))
    (answer,) = answers.values()
    assert (answer.outcome, answer.body) == (Outcome.LABEL, Label("shipping"))
    assert answer.signals["agreement"] == pytest.approx(2 / 3)
    assert answer.confidence_kind is ConfidenceKind.UNCALIBRATED


def test_variants_permute_the_labels_reproducibly() -> None:
    labels = tuple(LabelClass(f"label {number}") for number in range(8))
    assert variant_label_order(labels, 0) == labels
    orders = {variant_label_order(labels, variant) for variant in range(4)}
    assert len(orders) == 4
    assert variant_label_order(labels, 2) == variant_label_order(labels, 2)


@pytest.mark.parametrize("kind", ["missing_ids", "duplicate_ids", "bad_answer", "refusal", "truncation"])
async def test_a_spoiled_pack_is_completed_by_asking_what_is_missing_again(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, kind: str
) -> None:
    fake.faults.script.append(Fault(kind=kind))
    items = make_items(10)
    answers = await collect(make_annotator(technique=Technique(items_per_request=10)), make_task(), items)
    assert set(answers) == {item.item_id for item in items}
    assert all(answer.outcome is Outcome.LABEL for answer in answers.values())
    assert fake.books.charged_requests <= 11


async def test_packed_answers_follow_the_echoed_ids_not_their_order(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    truth = {item.text: LABELS[item.row % 3] for item in make_items(40)}

    def shuffled(asked: Asked) -> object:
        answer = compose(asked, lambda text: truth[text])
        answer["answers"].reverse()
        return answer

    fake.brain = Scripted(shuffled)
    answers = await collect(make_annotator(technique=Technique(items_per_request=20)), make_task(), make_items(40))
    for item in make_items(40):
        assert answers[item.item_id].body == Label(truth[item.text])


def test_packs_hold_each_item_once_in_an_order_that_depends_on_the_items_only() -> None:
    items = make_items(95)
    grouped = list(packs(items, 20))
    assert [len(pack) for pack in grouped] == [20, 20, 20, 20, 15]
    assert {item.item_id for pack in grouped for item in pack} == {item.item_id for item in items}
    assert grouped == list(packs(items[::-1], 20))
    assert [item.row for item in grouped[0]] != sorted(item.row for item in grouped[0])


async def test_truncated_answer_gets_more_room_at_the_second_attempt(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    fake.faults.script.append(Fault(kind="truncation"))
    answers = await collect(make_annotator(), make_task(), make_items(1))
    assert next(iter(answers.values())).outcome is Outcome.LABEL
    assert fake.requests[1]["max_tokens"] == 2 * fake.requests[0]["max_tokens"]


async def test_a_refusal_of_a_single_item_is_final(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    fake.faults.script.append(Fault(kind="refusal"))
    annotator = make_annotator()
    answers = await collect(annotator, make_task(), make_items(1))
    (answer,) = answers.values()
    assert answer.outcome is Outcome.REFUSED
    assert "general_harms" in answer.detail
    assert fake.books.charged_requests == 1


def _pair(row: int) -> ItemToAnnotate:
    return ItemToAnnotate(f"pair-{row}", row, "Say hello.", alternatives=(f"Hello {row}", f"Hi {row}"))


async def test_preference_is_asked_in_both_orders_and_position_bias_becomes_a_tie(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    task = make_task(annotation_type=AnnotationType.PREFERENCE, labels=())
    answers = await collect(make_annotator(), task, [_pair(1)])
    assert answers["pair-1"].body == Preference(PreferredAlternative.TIE), "the fake always prefers the first"
    assert fake.books.charged_requests == 2
    first, second = (request["messages"][0]["content"] for request in fake.requests)
    assert first.index("Hello 1") < first.index("Hi 1")
    assert second.index("Hello 1") > second.index("Hi 1")


async def test_consistent_preference_stands(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    def prefers_hi(asked: Asked) -> object:
        hi_first = asked.user.index("Hi") < asked.user.index("Hello")
        return {"better": "first" if hi_first else "second", "confidence": 0.8}

    fake.brain = Scripted(prefers_hi)
    task = make_task(annotation_type=AnnotationType.PREFERENCE, labels=())
    answers = await collect(make_annotator(), task, [_pair(1)])
    assert answers["pair-1"].body == Preference(PreferredAlternative.B)
    assert answers["pair-1"].signals == {"verbalised": pytest.approx(0.8), "agreement": 1.0}


class FirstLetters:
    async def closest_labels(self, item: ItemToAnnotate, names: Sequence[str], n: int) -> Sequence[str]:
        return sorted(names, key=lambda name: name != item.text)[:n]


async def test_preselection_shows_only_the_closest_labels(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    names = [f"intent {number:03d}" for number in range(150)]
    task = Task(AnnotationType.SINGLE_LABEL, tuple(LabelClass(name) for name in names), make_task().guidelines)
    technique = Technique(preselected_labels=5)
    annotator = make_annotator(technique=technique, lookups=Lookups(label_similarity=FirstLetters()))
    await collect(annotator, task, [ItemToAnnotate("x", 0, "intent 077")])
    (request,) = fake.requests
    user = request["messages"][0]["content"]
    assert user.count("- intent") == 5
    assert "intent 077" in user
    assert "intent" not in request["system"][0]["text"]


async def test_custom_template_sets_the_wording_but_not_the_fence(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    template = "Du ordnest Mails. {{ guidelines }}\n{{ labels }}\n{{ answer_rule }}"
    check_template(template)
    await collect(make_annotator(technique=Technique(template=template)), make_task(), make_items(1))
    assert fake.requests[0]["system"][0]["text"].startswith("Du ordnest Mails. Sort mails")
    assert "<data-" in fake.requests[0]["messages"][0]["content"]


@pytest.mark.parametrize(
    "template",
    [
        "{{ item }}",
        "{{ guidelines.__class__.__mro__ }}",
        "{% for x in range(10) %}{% endfor %}",
        "{{ 'a' * 1000000000 }}",
        "{{ 9 ** 99999999 }}",
        "{{ guidelines",
        "{% include 'x' %}",
        "{{ 'x'.ljust(1500000000) }}",
        "{% for a in guidelines %}{% for b in guidelines %}{% endfor %}{% endfor %}",
        "{{ labels | upper }}",
        "{# a remark #}",
        "{{ labels() }}",
        "{{ LABELS }}",
        "{{",
        "x" * 30_000,
    ],
)
def test_templates_can_do_nothing_but_place_variables(template: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        check_template(template)
    [violation] = refused.value.violations
    assert violation.field == "technique.template"
    assert "characters" in violation.description or all(name in violation.description for name in VARIABLES)
    with pytest.raises(InvalidArgument):
        Technique(template=template)


def test_what_is_placed_is_not_filled_again() -> None:
    """Guidelines may speak of templates, and braces of JSON examples are text."""
    template = 'As {"a": {"b": 1}}: {{guidelines}}'
    texts = dict.fromkeys(VARIABLES, "x") | {"guidelines": "{{ labels }} {% for %}"}
    assert render_system(template, **texts) == 'As {"a": {"b": 1}}: {{ labels }} {% for %}'


def test_a_template_that_renders_to_too_much_is_refused_before_it_is_made() -> None:
    texts = dict.fromkeys(VARIABLES, "x" * 10_000_000)
    with pytest.raises(InvalidArgument, match="at most 400000 fit"):
        render_system("{{ guidelines }}" * 1_000, **texts)


@pytest.mark.parametrize(
    "wrong",
    [{"shots": 99}, {"samples": 0}, {"candidates": 1}, {"items_per_request": 0}, {"retrieval": Retrieval.NEAREST}],
)
def test_technique_is_validated(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument, match="technique"):
        Technique(**wrong)  # type: ignore[arg-type]


async def test_caching_first_request_goes_alone_and_the_rest_reads(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    fake.latency_s = 0.05
    task = make_task(guidelines=type(make_task().guidelines)("Read this. " * 2_000))
    answers = await collect(make_annotator(), task, make_items(12))
    writers = [answer for answer in answers.values() if answer.provenance.usage.cache_write_tokens]
    readers = [answer for answer in answers.values() if answer.provenance.usage.cache_read_tokens]
    assert (len(writers), len(readers)) == (1, 11)


async def test_no_breakpoint_where_the_prefix_is_too_short(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    await collect(make_annotator(), make_task(), make_items(2))
    assert all("cache_control" not in request["system"][0] for request in fake.requests)
    assert PRICE.cache_minimum == fake.books.price.cache_minimum


async def test_check_passes_and_finds_out_a_server_that_ignores_the_schema(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    annotator = make_annotator()
    await annotator.check()
    fake.faults.script.append(Fault(kind="free_text"))
    with pytest.raises(AnnotatorStopped, match="ignore structured output"):
        await annotator.check()
    fake.faults.rates = [(1.0, overloaded())]
    with pytest.raises(Unavailable, match="overloaded"):
        await annotator.check()


async def test_gateways_get_our_headers_and_prefix_paths(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    settings = AnthropicConnection(api_key="k", base_url=fake.url, headers={"anthropic-version": "2023-06-01"})
    annotator = make_annotator(endpoint=AnthropicEndpoint(settings), settings=ModelSettings(model="claude-haiku-4-5"))
    answers = await collect(annotator, make_task(), make_items(1))
    assert next(iter(answers.values())).provenance.api_version == "2023-06-01"
    assert "k" not in repr(settings).replace("api_key", "")[:20]


async def test_replay_repeats_known_labels_only() -> None:
    known = {"mail-00000": Label("billing"), "mail-00001": Label("nonsense")}
    answers = await collect(ReplayAnnotator("gold", known), make_task(), make_items(3))
    assert [answer.outcome for answer in answers.values()] == [Outcome.LABEL, Outcome.INVALID, Outcome.FAILED]
    assert all(answer.confidence is None for answer in answers.values())
