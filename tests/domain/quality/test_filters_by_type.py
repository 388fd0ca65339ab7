"""Filters of sets of classes and of scores: what rules see of them, and which ones learner and neighbours doubt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.answers import Body, MultiLabel, Score
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.projects.score_range import ScoreRange
from tests.domain.service import CLASSES, DIMENSION, Service

ITEMS = 120
SETS = [tuple(c for bit, c in enumerate(CLASSES) if n >> bit & 1) for n in range(8)]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    opened = Service(tmp_path)
    opened.parts.start()
    yield opened
    await opened.close()


async def answered(service: Service, project: Project, points: Any, bodies: Sequence[Body]) -> list[str]:
    """A person has answered items at these points; the first and the second one have the same text."""
    ids = [f"i{n}" for n in range(len(bodies))]
    texts = [sha256(i.encode()).hexdigest() for i in ids]
    texts[1] = texts[0]
    points = points + 0.1 * np.random.default_rng(0).standard_normal(points.shape)
    units = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    incoming = IncomingItems(ids, texts, [""] * len(ids), [Split.POOL] * len(ids), [""] * len(ids), units)
    await (await service.parts.pool.ingest.add(project, "upload", 1, incoming))
    rows = (await service.parts.pool.pools.find(project.id, ids)).tolist()
    given = [Submission(item, body) for item, body in zip(ids, bodies, strict=True)]
    known = KnownRows(dict(zip(ids, rows, strict=True)), {})
    await service.parts.base.store.write(
        lambda tx: service.parts.labeling.submissions.submit(tx, project, "ann", "", given, known)
    )
    return ids


async def named(service: Service, project: Project, rule: str) -> dict[str, str]:
    found = await service.parts.reports.quality.filter_sets.tried(project, rule)
    return {one.item_id: one.label for one in found.by_item()}


async def test_sets_are_doubted_class_by_class(service: Service) -> None:
    project = await service.create(annotation_type=AnnotationType.MULTI_LABEL)
    truth = [SETS[n % 8] for n in range(ITEMS)]
    points = np.array([[float(c in names) for c in CLASSES] + [0.3] * (DIMENSION - 3) for names in truth])
    wrong = {7: (), 8: (CLASSES[0],), 11: (CLASSES[0], CLASSES[2])}
    given = [MultiLabel(wrong.get(n, names)) for n, names in enumerate(truth)]
    await answered(service, project, points, given)
    doubted = await named(service, project, "wrong_probability > 0.5")
    assert set(doubted) == {f"i{n}" for n in wrong}
    assert doubted["i11"] == "|".join(sorted((CLASSES[0], CLASSES[2])))
    right = "|".join(sorted(truth[8]))
    assert set(await named(service, project, f'other_label == "{right}" and wrong_probability > 0.5')) == {"i8"}
    assert set(await named(service, project, f'"{CLASSES[0]}" not in label and "{CLASSES[1]}" not in label')) >= {"i7"}
    assert set(await named(service, project, "duplicate_of != none and duplicate_label != label")) == {"i1"}
    with pytest.raises(InvalidArgument, match='"lift" is no class'):
        await named(service, project, f'label == "{CLASSES[0]}|lift"')


async def test_scores_far_from_what_is_expected_are_doubted(service: Service) -> None:
    project = await service.create(annotation_type=AnnotationType.SCORE, score_range=ScoreRange(1, 5, 1))
    truth = [1 + n % 5 for n in range(ITEMS)]
    points = np.zeros((ITEMS, DIMENSION))
    points[:, 0] = (np.array(truth) - 3) / 2
    points[:, 1] = 1
    wrong = {5: 5, 9: 1}
    await answered(service, project, points, [Score(wrong.get(n, score)) for n, score in enumerate(truth)])
    assert set(await named(service, project, "wrong_probability > 0.5")) == {"i5", "i9"}
    assert await named(service, project, "score == 5 and other_score < 3") == {"i5": "5"}
    assert set(await named(service, project, "duplicate_score != none and duplicate_score < score")) == {"i1"}


async def test_models_of_sets_and_scores_are_trained_without_what_filters_name(service: Service) -> None:
    project = await service.create(annotation_type=AnnotationType.SCORE)
    points = np.random.default_rng(1).standard_normal((ITEMS, DIMENSION))
    await answered(service, project, points, [Score(n % 2) for n in range(ITEMS)])
    sets = service.parts.reports.quality.filter_sets
    await service.parts.base.store.write(
        lambda tx: sets.put(tx, project, "high", "score > 0.5", enabled=True, changed_by="ann")
    )
    version = await service.parts.learning.learning.train(project, cold=True)
    assert (version.labels, version.known_labels) == (ITEMS // 2, ITEMS)
