import pytest

from nextlabel.server.domain.projects.projects import ProjectChanges
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from nextlabel.server.values.projects.guidelines import GuidelinesStatus
from nextlabel.server.values.projects.projects import LabelClass


def violations(error) -> dict[str, str]:
    return {v.field: v.description for v in error.value.violations}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"classes": []}, "label_space.classes"),
        ({"classes": [LabelClass("only")]}, "label_space.classes"),
        ({"classes": [LabelClass("a"), LabelClass("a")]}, "label_space.classes[1].name"),
        ({"classes": [LabelClass("a"), LabelClass(" ")]}, "label_space.classes[1].name"),
        ({"classes": [LabelClass("a"), LabelClass("b\n")]}, "label_space.classes[1].name"),
        ({"classes": [LabelClass("a"), LabelClass("x" * 201)]}, "label_space.classes[1].name"),
        ({"classes": [LabelClass("a"), LabelClass("b", examples=("one", " "))]}, "label_space.classes[1].examples[1]"),
        (
            {"classes": [LabelClass("a"), LabelClass("b", examples=("one", "one"))]},
            "label_space.classes[1].examples[1]",
        ),
        (
            {"classes": [LabelClass("a"), LabelClass("b", examples=("é" * 2_049,))]},
            "label_space.classes[1].examples[0]",
        ),
        (
            {"classes": [LabelClass("a", examples=tuple("abcdefghijklmnopqrstu")), LabelClass("b")]},
            "label_space.classes[0].examples[20]",
        ),
        ({"overlap": 0}, "overlap"),
        ({"lease_ttl_s": 0.5}, "lease_ttl"),
        ({"audit_share": 1.5}, "audit_share"),
        ({"gold_share": 0.6}, "gold_share"),
        ({"gold_share": float("nan")}, "gold_share"),
        ({"consensus": "loudest"}, "consensus"),
        ({"consensus": "mace", "annotation_type": AnnotationType.MULTI_LABEL}, "consensus"),
        ({"embedding_dimension": 0}, "embedding.dimension"),
    ],
)
def test_create_names_the_wrong_field(desk, changes, field):
    with pytest.raises(InvalidArgument) as error:
        desk.create(**changes)
    assert field in violations(error)


@pytest.mark.parametrize("name", ["", "Upper", "-x", "a" * 64, "a/b", "a b", ".."])
def test_names_that_could_be_paths_are_refused(desk, name):
    with pytest.raises(InvalidArgument) as error:
        desk.create(name)
    assert "name" in violations(error)


def test_a_name_is_taken_once(desk):
    desk.create("news")
    with pytest.raises(AlreadyExists):
        desk.create("news")


def test_classes_can_be_added_but_not_removed_or_reordered(desk):
    project = desk.create("news")
    added = [*project.classes, LabelClass("d")]
    assert desk.projects.update(desk.tx, "news", ProjectChanges(classes=added)).class_names == ("a", "b", "c", "d")
    for wrong in (added[1:], [added[1], added[0], *added[2:]], [LabelClass("A"), *added[1:]]):
        with pytest.raises(InvalidArgument):
            desk.projects.update(desk.tx, "news", ProjectChanges(classes=wrong))
    assert desk.projects.get(desk.tx, "news").class_names == ("a", "b", "c", "d")


def test_a_changed_field_leaves_the_others(desk):
    desk.create("news", audit_share=0.25)
    changed = desk.projects.update(desk.tx, "news", ProjectChanges(overlap=3))
    assert (changed.overlap, changed.audit_share) == (3, 0.25)


def test_accepted_guidelines_are_used_and_versions_stay(desk):
    project = desk.create("news", guidelines="first")
    desk.projects.add_guidelines(desk.tx, "news", "second", author="me", accept=False)
    project = desk.projects.get(desk.tx, "news")
    assert desk.projects.guidelines(desk.tx, project).text == "first"
    desk.projects.decide_guidelines(desk.tx, "news", 2, accept=True)
    project = desk.projects.get(desk.tx, "news")
    assert desk.projects.guidelines(desk.tx, project).text == "second"
    assert desk.projects.guidelines(desk.tx, project, 1).text == "first"


def test_guidelines_in_use_cannot_be_rejected(desk):
    desk.create("news")
    with pytest.raises(FailedPrecondition):
        desk.projects.decide_guidelines(desk.tx, "news", 1, accept=False)
    desk.projects.add_guidelines(desk.tx, "news", "no", author="me", accept=False)
    rejected = desk.projects.decide_guidelines(desk.tx, "news", 2, accept=False)
    assert rejected.status is GuidelinesStatus.REJECTED


def test_a_deleted_project_is_gone(desk):
    desk.create("news")
    desk.projects.delete(desk.tx, "news")
    with pytest.raises(NotFound):
        desk.projects.get(desk.tx, "news")


@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize("version", [0, -1])
def test_guidelines_are_decided_on_by_their_version(desk, accept, version):
    desk.create(guidelines="first")
    with pytest.raises(InvalidArgument, match="version"):
        desk.projects.decide_guidelines(desk.tx, "news", version, accept=accept)
    project = desk.projects.get(desk.tx, "news")
    assert (project.guidelines_version, desk.projects.guidelines(desk.tx, project).text) == (1, "first")
