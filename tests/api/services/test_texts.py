"""Candidate texts through the API: written, judged in another project, the best listed and exported."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import grpc
import pytest

from nextlabel.client import connect
from nextlabel.client.export.datasheet import Counts, collected
from nextlabel.server.api.messages import values
from nextlabel.v1 import annotation_pb2, pool_pb2, project_service_pb2
from nextlabel.v1 import labeling_service_pb2 as labeling
from nextlabel.v1 import text_service_pb2 as pb
from tests.api.services.conftest import GIVEN, Api, batch, header, items, matrix, refusal, request_id

A, B, TIE = annotation_pb2.PREFERENCE_WINNER_A, annotation_pb2.PREFERENCE_WINNER_B, annotation_pb2.PREFERENCE_WINNER_TIE
TEXTS = {"ann": "a long and friendly answer", "bob": "an answer", "cleo": "no"}
FORMS = {"sft": labeling.EXPORT_FORMAT_SFT, "dpo": labeling.EXPORT_FORMAT_DPO}


def project(api: Api, kind: annotation_pb2.AnnotationType.ValueType) -> str:
    name = f"texts-{request_id()[:8]}"
    made = project_service_pb2.Project(name=name, annotation_type=kind, embedding=GIVEN)
    if kind == annotation_pb2.ANNOTATION_TYPE_SCORE:
        made.score_range.CopyFrom(project_service_pb2.ScoreRange(minimum=1, maximum=5))
    api.projects.CreateProject(project_service_pb2.CreateProjectRequest(project=made, guidelines="Be friendly."))
    return name


def add(api: Api, name: str, given: Sequence[pool_pb2.Item]) -> None:
    acknowledged = list(api.pool.AddItems(iter([header(name, request_id()), batch(1, given, matrix(len(given)))])))
    assert acknowledged[-1].accepted == len(given), acknowledged[-1]


def answered(api: Api, name: str, by: str, answers: dict[str, annotation_pb2.Answer]) -> None:
    given = [labeling.SubmittedAnnotation(item_id=item, answer=answer) for item, answer in answers.items()]
    results = api.labeling.SubmitAnnotations(
        labeling.SubmitAnnotationsRequest(project=name, annotator=by, annotations=given)
    ).results
    taken = (labeling.SUBMIT_STATUS_ACCEPTED, labeling.SUBMIT_STATUS_CORRECTED)
    assert all(result.status in taken for result in results), results


def text(words: str) -> annotation_pb2.Answer:
    return annotation_pb2.Answer(text=annotation_pb2.TextResponse(text=words))


@pytest.fixture(scope="module")
def written(api: Api) -> str:
    """Two items with three texts each, and one that nothing was written of."""
    name = project(api, annotation_pb2.ANNOTATION_TYPE_TEXT)
    add(api, name, items(3))
    for who, words in TEXTS.items():
        answered(api, name, who, {f"item-{n}": text(f"{words} to {n}") for n in (0, 1)})
    return name


def judging_items(api: Api, name: str, by: pb.Judging.ValueType, **options: Any) -> list[pool_pb2.Item]:
    request = pb.ListJudgingItemsRequest(project=name, judging=by, **options)
    found: list[pool_pb2.Item] = []
    while True:
        page = api.texts.ListJudgingItems(request)
        found += page.items
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def preferred(pair: pool_pb2.TextPair, best: str) -> annotation_pb2.Answer:
    """The text with `best` in it is better; without it, the longer one."""
    a = (best in pair.a, len(pair.a))
    b = (best in pair.b, len(pair.b))
    return annotation_pb2.Answer(preference=annotation_pb2.PairwisePreference(winner=A if a > b else B))


@pytest.fixture(scope="module")
def compared(api: Api, written: str) -> str:
    name = project(api, annotation_pb2.ANNOTATION_TYPE_PAIRWISE_PREFERENCE)
    pairs = [one for one in judging_items(api, written, pb.JUDGING_PREFERENCE) if one.text.endswith("0")]
    add(api, name, pairs)
    answered(api, name, "judy", {one.id: preferred(one.pair, "friendly") for one in pairs})
    answered(api, name, "jim", {pairs[0].id: preferred(pairs[0].pair, "friendly")})
    return name


def listed(api: Api, name: str, judged_by: str = "") -> dict[str, list[pb.CandidateText]]:
    found = api.texts.ListTexts(pb.ListTextsRequest(project=name, judged_by=judged_by)).items
    return {item.item_id: list(item.candidates) for item in found}


def exported(api: Api, name: str, form: str, judged_by: str) -> list[dict[str, Any]]:
    request = labeling.ExportAnnotationsRequest(project=name, format=FORMS[form], judged_by=judged_by)
    lines = b"".join(part.lines for part in api.labeling.ExportAnnotations(request))
    return [json.loads(line) for line in lines.splitlines()]


def test_candidates_stand_side_by_side_as_they_were_written(api: Api, written: str) -> None:
    found = listed(api, written)
    assert list(found) == ["item-0", "item-1"]
    assert [one.annotator for one in found["item-1"]] == list(TEXTS)
    assert not any(one.best or one.HasField("merit") for texts in found.values() for one in texts)
    with connect(api.address) as client:
        counts = Counts({})
        first = next(iter(counts.passing(client.project(written).labels())))
        counts.classes["a text"] += 1
        assert collected(client.project(written), counts, (), "drop").classes == {}
    assert (first.label, first.source, first.review) == (None, "nobody", "3 texts to choose from")


def test_the_best_comes_first_with_what_it_rests_on(api: Api, written: str, compared: str) -> None:
    found = listed(api, written, compared)
    assert [(one.annotator, one.best, one.won, one.lost) for one in found["item-0"]] == [
        ("ann", True, 2, 0),
        ("bob", False, 1, 1),
        ("cleo", False, 0, 2),
    ]
    assert [one.merit for one in found["item-0"]] == [1.0, 0.5, 0.0]
    assert sum(one.judgements for one in found["item-0"]) == 2 * 4
    assert not any(one.best for one in found["item-1"])


def test_the_best_is_exported_and_set_against_each_worse_one(api: Api, written: str, compared: str) -> None:
    (conversation,) = exported(api, written, "sft", compared)
    assert conversation["messages"][-1] == {"role": "assistant", "content": "a long and friendly answer to 0"}
    evidence = {key: conversation[key] for key in ("written_by", "merit", "won", "lost")}
    assert evidence == {"written_by": "ann", "merit": 1.0, "won": 2, "lost": 0}
    pairs = exported(api, written, "dpo", compared)
    assert [(pair["rejected_by"], pair["rejected"][0]["content"]) for pair in pairs] == [
        ("bob", "an answer to 0"),
        ("cleo", "no to 0"),
    ]
    assert {pair["chosen"][0]["content"] for pair in pairs} == {"a long and friendly answer to 0"}


def test_judges_are_held_against_people(api: Api, compared: str) -> None:
    judges = api.texts.ListJudges(pb.ListJudgesRequest(project=compared)).judges
    assert [(judge.annotator, judge.answers, judge.agreement.items) for judge in judges] == [
        ("judy", 3, 1),
        ("jim", 1, 1),
    ]
    assert 0 < judges[0].agreement.low < judges[0].agreement.value == judges[0].agreement.high == 1
    assert not judges[0].HasField("consistency")


def test_scores_find_the_best_too(api: Api, written: str) -> None:
    name = project(api, annotation_pb2.ANNOTATION_TYPE_SCORE)
    alone = judging_items(api, written, pb.JUDGING_SCORE)
    add(api, name, alone)
    scores = {
        one.id: annotation_pb2.Answer(score=annotation_pb2.Score(value=2 + ("no to" in one.text))) for one in alone
    }
    answered(api, name, "judy", scores)
    for texts in listed(api, written, name).values():
        assert [(one.annotator, one.merit, one.best) for one in texts] == [
            ("cleo", 3.0, True),
            ("ann", 2.0, False),
            ("bob", 2.0, False),
        ]
    assert len(exported(api, written, "dpo", name)) == 4


def test_pages_hold_every_judging_item_once(api: Api, written: str) -> None:
    everything = [one.id for one in judging_items(api, written, pb.JUDGING_PREFERENCE)]
    assert len(set(everything)) == len(everything) == 6
    assert [one.id for one in judging_items(api, written, pb.JUDGING_PREFERENCE, page_size=1)] == everything
    assert len(judging_items(api, written, pb.JUDGING_PREFERENCE, pairs_per_item=1)) == 2
    request = pb.ListTextsRequest(project=written, page_size=1)
    first = api.texts.ListTexts(request)
    request.page_token = first.next_page_token
    second = api.texts.ListTexts(request)
    assert [item.item_id for item in (*first.items, *second.items)] == ["item-0", "item-1"]
    assert second.next_page_token == ""


def test_pages_are_cut_by_bytes_too(api: Api, written: str, compared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, judges = judging_items(api, written, pb.JUDGING_PREFERENCE), pb.ListJudgesRequest(project=compared)
    monkeypatch.setattr(values, "PAGE_BYTES", 1)
    first = api.texts.ListTexts(pb.ListTextsRequest(project=written))
    assert ([item.item_id for item in first.items], bool(first.next_page_token)) == (["item-0"], True)
    assert judging_items(api, written, pb.JUDGING_PREFERENCE) == pairs
    assert len(api.texts.ListJudges(judges).judges) == 1


def test_a_judgement_is_about_the_texts_that_were_shown_and_no_others(api: Api) -> None:
    name, judging = (
        project(api, kind)
        for kind in (annotation_pb2.ANNOTATION_TYPE_TEXT, annotation_pb2.ANNOTATION_TYPE_PAIRWISE_PREFERENCE)
    )
    add(api, name, items(1))
    for who, words in TEXTS.items():
        answered(api, name, who, {"item-0": text(words)})
    pairs = judging_items(api, name, pb.JUDGING_PREFERENCE)
    for pair in pairs:
        pair.pair.a += " (as somebody else put it)"
    add(api, judging, pairs)
    answered(api, judging, "judy", {pair.id: preferred(pair.pair, "no") for pair in pairs})
    assert not any(one.HasField("merit") for one in listed(api, name, judging)["item-0"])
    assert exported(api, name, "sft", judging) == []


def test_what_holds_no_texts_or_judgements_is_said(api: Api, written: str, compared: str) -> None:
    code, _ = refusal(lambda: listed(api, compared))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    code, _ = refusal(lambda: listed(api, written, written))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    code, _ = refusal(lambda: listed(api, written, "nowhere"))
    assert code is grpc.StatusCode.NOT_FOUND
    code, fields = refusal(lambda: judging_items(api, written, pb.JUDGING_SCORE, pairs_per_item=-1))
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["pairs_per_item"])
    rationale = labeling.ExportAnnotationsRequest(
        project=written, format=labeling.EXPORT_FORMAT_RATIONALE, judged_by=compared
    )
    code, fields = refusal(lambda: list(api.labeling.ExportAnnotations(rationale)))
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["judged_by"])


def test_a_person_criticises_a_text_and_writes_a_better_one(api: Api) -> None:
    name = project(api, annotation_pb2.ANNOTATION_TYPE_TEXT)
    add(api, name, [pool_pb2.Item(id="i", text="Write.")])

    def submit(critiques: list[labeling.TextCritique], text: str = "better") -> labeling.SubmitResult:
        answer = annotation_pb2.Answer(text=annotation_pb2.TextResponse(text=text))
        one = labeling.SubmittedAnnotation(item_id="i", answer=answer, critiques=critiques)
        request = labeling.SubmitAnnotationsRequest(
            request_id=request_id(), project=name, annotator="ann", annotations=[one]
        )
        return api.labeling.SubmitAnnotations(request).results[0]

    said = labeling.TextCritique(text="Hi\u202e!", critique="Too short.")
    assert submit([said]).status == labeling.SUBMIT_STATUS_ACCEPTED
    ((given,),) = listed(api, name).values()
    assert [(one.text, one.critique, one.critic) for one in given.reviews] == [(said.text, "Too short.", "ann")]
    refused = submit([labeling.TextCritique(text="Hi!")])
    assert refused.message == "a critique names the text that it is about and says what is wrong with it"
    assert "critiques: at most 10, got 11" in submit([said] * 11).message
    scores = project(api, annotation_pb2.ANNOTATION_TYPE_SCORE)
    add(api, scores, [pool_pb2.Item(id="i", text="Rate.")])
    answer = annotation_pb2.Answer(score=annotation_pb2.Score(value=3))
    one = labeling.SubmittedAnnotation(item_id="i", answer=answer, critiques=[said])
    request = labeling.SubmitAnnotationsRequest(
        request_id=request_id(), project=scores, annotator="ann", annotations=[one]
    )
    (result,) = api.labeling.SubmitAnnotations(request).results
    assert "critiques are about texts of others" in result.message


def test_a_text_that_is_criticised_for_others_to_write_anew_shows_what_was_said_of_it(api: Api) -> None:
    name = project(api, annotation_pb2.ANNOTATION_TYPE_TEXT)
    add(api, name, [pool_pb2.Item(id="i", text="Write.")])
    answered(api, name, "bob", {"i": text("Hi!")})
    answered(api, name, "eve", {"i": text("Hello!")})

    def criticise(who: str, critique: str) -> labeling.SubmitResult:
        said = [labeling.TextCritique(text="Hi!", critique=critique)]
        one = labeling.SubmittedAnnotation(item_id="i", skip=True, critiques=said)
        request = labeling.SubmitAnnotationsRequest(
            request_id=request_id(), project=name, annotator=who, annotations=[one]
        )
        return api.labeling.SubmitAnnotations(request).results[0]

    assert criticise("ann", "Too short.").status == labeling.SUBMIT_STATUS_SKIPPED
    assert criticise("ann", "Too short.").status == labeling.SUBMIT_STATUS_DUPLICATE
    assert criticise("ann", "Too loud.").status == labeling.SUBMIT_STATUS_SKIPPED
    assert criticise("eve", "Rude.").status == labeling.SUBMIT_STATUS_CORRECTED
    (found,) = listed(api, name).values()
    shown = [(one.text, [(said.critique, said.critic, said.text) for said in one.critiques]) for one in found]
    assert shown == [("Hi!", [("Too loud.", "ann", ""), ("Rude.", "eve", "")]), ("Hello!", [])]
