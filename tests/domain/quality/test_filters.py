"""Filters: what they leave out of training, what they never touch, and what brings an item back."""

from operator import attrgetter

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from nextlabel.server.demo.data_set import load
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.neighbours import LabeledNeighbours
from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.domain.projects.projects import NewProject
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from nextlabel.server.values.labeling.item_states import ItemState
from nextlabel.server.values.labeling.reviews import ReviewReason
from nextlabel.server.values.labeling.tasks import ItemToAnnotate
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import LabelClass
from tests.domain.service import CLASSES, DIMENSION, Service, vectors

IDS = [f"i{n}" for n in range(60)]
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(IDS)}
WRONG = {"i3": CLASSES[1], "i40": CLASSES[2]}
DOUBTED = "wrong_probability > 0.5"


@pytest.fixture
async def project(service):
    """A project with an LLM's labels, two of which are wrong, and a holdout."""
    created = await service.create()
    await service.add(created, IDS, labels=list(TRUTH.values()))
    held_out = [f"h{n}" for n in range(30)]
    await service.add(created, held_out, split=Split.HOLDOUT, upload="holdout")
    await service.answer_as_llm(created, TRUTH | WRONG)
    return created


def sets(service):
    return service.parts.reports.quality.filter_sets


async def put(service, project, name, rule, *, enabled=True):
    await sets(service).tried(project, rule)
    return await service.parts.base.store.write(
        lambda tx: sets(service).put(tx, project, name, rule, enabled=enabled, changed_by="ann")
    )


async def keep(service, project, *items):
    rows = dict(zip(items, (await service.parts.pool.pools.find(project.id, items)).tolist(), strict=True))
    await service.parts.base.store.write(lambda tx: sets(service).keep(tx, project, rows, "ann"))


async def train(service, project):
    return await service.parts.learning.learning.train(project, cold=True)


async def left_out(service, project):
    return {one.item_id: one.why for one in (await sets(service).filters.left_out(project)).by_item()}


async def test_a_filter_leaves_labels_out_of_training_and_the_version_says_how_many(service, project):
    await put(service, project, "doubted", DOUBTED)
    await put(service, project, "first", 'text == "text of i3" or text == "text of i5"')
    found = await left_out(service, project)
    assert {item: sorted(why) for item, why in found.items()} == {
        "i3": ["doubted", "first"],
        "i40": ["doubted"],
        "i5": ["first"],
    }
    assert found["i5"] == {"first": 'text "text of i5"'}
    version = await train(service, project)
    assert version.labels == len(IDS) - 3
    assert version.known_labels == len(IDS)
    assert version.description["filtered"] == {"labels": 3, "by_filter": {"doubted": 2, "first": 2}}


async def test_without_enabled_filters_everything_is_as_without_filters(service, project):
    async def outcome():
        version = await train(service, project)
        _, probabilities = await service.parts.learning.learning.predict(project, vectors(CLASSES))
        labeled = await service.parts.learning.learning.labeled(project)
        described = {**version.description}
        return described, version.labels, version.accuracy, probabilities.tobytes(), labeled.rows_N.tobytes()

    before = await outcome()
    await put(service, project, "doubted", DOUBTED, enabled=False)
    await keep(service, project, "i3")
    assert await outcome() == before
    assert "filtered" not in before[0]


async def test_what_is_left_out_is_judged_as_before_and_stays_labeled(service, project):
    review = service.parts.reports.quality.review
    before = {entry.item_id: entry.wrong_probability for entry in await review.entries(project)}
    await put(service, project, "doubted", DOUBTED)
    found = await left_out(service, project)
    for _ in range(2):
        await train(service, project)
        assert await left_out(service, project) == found
    assert {entry.item_id: entry.wrong_probability for entry in await review.entries(project)} == before
    counts = await service.parts.reports.reports.pool_counts(project)
    assert (counts.states[ItemState.ANSWERED], counts.states[ItemState.UNLABELED]) == (len(IDS), 0)


async def test_what_is_left_out_is_on_the_review_list_with_the_filters_that_name_it(service, project):
    await put(service, project, "fifth", 'text == "text of i5"')
    await put(service, project, "doubted", DOUBTED)
    entries = {entry.item_id: entry for entry in await service.parts.reports.quality.review.entries(project)}
    assert (entries["i5"].reasons, entries["i5"].filtered_by) == ((ReviewReason.FILTERED,), ("fifth",))
    assert ReviewReason.SUSPECT in entries["i3"].reasons
    assert entries["i3"].filtered_by == ("doubted",)


async def test_a_kept_item_is_back_until_it_is_released(service, project):
    await put(service, project, "doubted", DOUBTED)
    await keep(service, project, "i3")
    assert list(await left_out(service, project)) == ["i40"]
    [kept] = await sets(service).kept(project)
    assert (kept.item_id, kept.kept_by) == ("i3", "ann")
    await service.parts.base.store.write(lambda tx: tx.filters.release(project.id, [kept.row]))
    assert list(await left_out(service, project)) == ["i3", "i40"]


async def test_holdout_and_gold_are_never_filtered(service, project):
    await service.add(project, ["g1"], split=Split.GOLD, upload="gold")
    await service.label(project, {"h1": CLASSES[0], "g1": CLASSES[1]})
    await put(service, project, "all", "annotations > 0 or trusted")
    assert not {"h1", "g1"} & set(await left_out(service, project))
    with pytest.raises(FailedPrecondition, match="the filters all leave out all 60 labels"):
        await train(service, project)


@pytest.mark.parametrize("trying", ["tried", "filters.preview"])
async def test_a_rule_that_can_name_nothing_is_refused_when_it_is_set_and_when_it_is_tried(service, project, trying):
    tried = attrgetter(trying)(sets(service))
    with pytest.raises(InvalidArgument, match=r"metadata\.lang: none of 90 items has this field; there is no metadata"):
        await tried(project, 'metadata.lang == "en"')
    with pytest.raises(InvalidArgument, match='"lift" is no class of this project; it has left'):
        await tried(project, 'len(text) > 3 and "lift" != label')
    texts = await service.create("texts", annotation_type=AnnotationType.TEXT)
    with pytest.raises(FailedPrecondition, match="rules are about classes and scores"):
        await tried(texts, "trusted")
    scores = await service.create("scores", annotation_type=AnnotationType.SCORE)
    with pytest.raises(InvalidArgument, match="compare those, as in score > 4"):
        await tried(scores, 'label == "good"')
    with pytest.raises(NotFound, match="there is no filter new; one is set by a rule"):
        await service.parts.base.store.write(
            lambda tx: sets(service).put(tx, project, "new", "", enabled=True, changed_by="ann")
        )
    with pytest.raises(NotFound, match="filter 'new' not found"):
        await service.parts.base.store.write(lambda tx: sets(service).remove(tx, project, "new"))


async def test_a_cap_on_the_labels_of_llms_leaves_out_theirs_and_lets_them_back_as_people_label(service, project):
    await service.label(project, {f"i{n}": CLASSES[0] for n in range(0, 15, 3)})
    await put(service, project, "llm-cap", "llm_share > 0.5")
    by_people, surest = {f"i{n}" for n in range(0, 15, 3)}, {f"i{n}" for n in range(15, 30, 3)}
    assert set(await left_out(service, project)) == {*IDS} - by_people - surest
    assert (await left_out(service, project))["i57"] == {"llm-cap": "llm_share 0.75"}
    version = await train(service, project)
    assert (version.labels, version.description["filtered"]) == (10, {"labels": 50, "by_filter": {"llm-cap": 50}})
    await service.label(project, {"i1": CLASSES[1]})
    assert set(await left_out(service, project)) == {*IDS} - by_people - surest - {"i1", "i4"}


async def test_all_but_the_first_of_near_duplicates_can_be_left_out_and_contradictions_named(service):
    project = await service.create()
    parcel = "Where is the parcel that I sent to my aunt last week"
    copies = [f"{parcel}, please?", "something else", f"{parcel.lower()} please", f"{parcel}, please, please?"]
    await service.add(project, IDS[:4], texts=copies, labels=["left", "up", "left", "right"])
    await service.answer_as_llm(project, dict(zip(IDS, ["left", "up", "left", "right"], strict=False)))
    await put(service, project, "copies", "duplicate_of != none")
    await put(service, project, "contradicted", "duplicate_of != none and duplicate_label != label")
    assert await left_out(service, project) == {
        "i2": {"copies": 'duplicate_of "i0"'},
        "i3": {
            "contradicted": 'duplicate_of "i0", duplicate_label "left", label "right"',
            "copies": 'duplicate_of "i0"',
        },
    }


async def test_a_run_learns_without_what_filters_leave_out_and_does_not_ask_again(service):
    service.parts.start()
    project = await service.create()
    await service.add(project, IDS, labels=list(TRUTH.values()))
    await put(service, project, "lefts", 'label == "left"')
    run = await service.replay_run(project, TRUTH)
    store = service.parts.base.store
    given = await store.read(lambda tx: tx.labeling.annotations(project.id, run=run.id))
    assert len({one.row for one in given}) == len(given) == 18
    version = await store.read(lambda tx: tx.models.latest(project.id))
    assert version.known_labels == 18
    assert version.description["filtered"]["by_filter"] == {"lefts": sum(one.label == "left" for one in given)}


async def test_no_prompt_shows_what_filters_leave_out(service):
    project = await service.create()
    await service.add(project, IDS[:6])
    await service.label(project, {item: TRUTH[item] for item in IDS[:6]})
    parts = service.parts
    known = LabeledNeighbours(project, parts.pool.pools, parts.labeling.labels, parts.learning.learning)
    assert {shown.item_id for shown in await known.fixed(6)} == set(IDS[:6])
    await put(service, project, "lefts", 'label == "left"')
    assert {shown.item_id for shown in await known.fixed(6)} == set(IDS[:6]) - {"i0", "i3"}


async def test_what_filters_cannot_tell_costs_a_paid_answer_no_more_than_a_signal(service, monkeypatch):
    project = await service.create()
    await service.add(project, IDS[:13])
    await service.label(project, {item: TRUTH[item] for item in IDS[:12]})
    parts = service.parts
    known = LabeledNeighbours(project, parts.pool.pools, parts.labeling.labels, parts.learning.learning)

    async def gone(*_):
        raise Unavailable("the service behind rude(text) cannot be asked", reason="FILTER_SERVICE")

    item = ItemToAnnotate("new", 99, "text", embedding=(0.1,) * DIMENSION)
    assert await known.neighbour_share(item, "left") is not None
    monkeypatch.setattr(Learning, "labeled", gone)
    monkeypatch.setattr(Learning, "predict", gone)
    await service.label(project, {IDS[12]: TRUTH[IDS[12]]})
    assert await known.probability(item, "left") is None
    assert await known.neighbour_share(item, "left") is None
    with pytest.raises(Unavailable):
        await known.nearest(item, 3)


async def test_on_real_texts_a_filter_drops_more_wrong_labels_than_right_ones(tmp_path):
    texts, truth = zip(*((item["text"], item["label"]) for item in load().pool[:1_000]), strict=True)
    classes = sorted(set(truth))
    rng = np.random.default_rng(3)
    wrong = rng.random(len(truth)) < 0.2
    given = [
        rng.choice([c for c in classes if c != true]) if bad else true for true, bad in zip(truth, wrong, strict=True)
    ]
    svd = TruncatedSVD(64, random_state=0).fit_transform(TfidfVectorizer(sublinear_tf=True).fit_transform(texts))
    opened = Service(tmp_path)
    new = NewProject("real", [LabelClass(c) for c in classes], "", 64)
    project = await opened.parts.base.store.write(lambda tx: opened.parts.projects.projects.create(tx, new))
    ids = [f"t{n}" for n in range(len(texts))]
    none = [""] * len(ids)
    incoming = IncomingItems(ids, list(texts), none, [Split.POOL] * len(ids), none, svd.astype(np.float32))
    await (await opened.parts.pool.ingest.add(project, "upload", 1, incoming))
    await opened.answer_as_llm(project, dict(zip(ids, given, strict=True)))
    await put(opened, project, "doubted", DOUBTED)
    dropped = {int(item[1:]) for item in await left_out(opened, project)}
    right = sum(not wrong[n] for n in dropped)
    assert len(dropped) - right > right
    assert len(dropped) - right > wrong.sum() / 2
    await opened.close()
