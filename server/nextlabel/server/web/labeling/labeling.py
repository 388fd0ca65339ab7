"""The labeling page, and what its script asks for: items on lease, and places for answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from google.protobuf.json_format import MessageToDict
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from nextlabel.client.errors import NextlabelError
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.projects.label_paths import SEPARATOR
from nextlabel.server.web.boundary.choices import one_of
from nextlabel.server.web.boundary.rendering import page
from nextlabel.server.web.boundary.sessions import session_of, visitor
from nextlabel.server.web.labeling.reviewing import doubted_value
from nextlabel.server.web.words.answers import answer_kind, answer_message, answer_value
from nextlabel.v1 import labeling_service_pb2 as pb
from nextlabel.v1 import project_service_pb2 as projects_pb

PREFETCH = 12
"""Items on a lease of the page."""
MIXED_UNLABELED = 50
"""New items, of which the learner is least sure, that compete with doubtful labels where somebody reviews both."""

_PASSING = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED"})
_NOTHING_TO_GIVE = frozenset({"NO_REVIEW_QUEUE", "BUDGET_EXHAUSTED"})
_REFUSED = pb.SUBMIT_STATUS_REFUSED


async def label_page(request: Request) -> Response:
    """Show the page for one project: what has no label yet."""
    return await _show(request)


async def review_page(request: Request) -> Response:
    """Show the page for one project: labels that are worth another look; ``with=new`` puts new items among them."""
    with_new = one_of({"": False, "new": True}, request.query_params.get("with", ""), "with")
    return await _show(request, review=True, unlabeled=MIXED_UNLABELED if with_new else 0)


async def audit_page(request: Request) -> Response:
    """Show the page for one project: items drawn at random whose label no person has given yet."""
    return await _show(request, audit=True)


async def _show(request: Request, *, review: bool = False, unlabeled: int = 0, audit: bool = False) -> Response:
    name = request.path_params["project"]
    if not session_of(request).name:
        return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
    who = visitor(request)
    response = await who.call(who.backend.projects.GetProject, projects_pb.GetProjectRequest(project=name))
    guidelines = ""
    if response.project.guidelines_version:
        found = await who.call(who.backend.projects.GetGuidelines, projects_pb.GetGuidelinesRequest(project=name))
        guidelines = found.guidelines.text
    project = response.project
    score = project.score_range
    config = {
        "project": name,
        "annotator": session_of(request).name,
        "kind": answer_kind(project.annotation_type),
        "classes": [_class(c, paths=project.label_space.paths) for c in project.label_space.classes],
        "range": [score.minimum, score.maximum] if project.HasField("score_range") else [0.0, 1.0],
        "step": score.step or "any",
        "prefetch": PREFETCH,
        "review": review,
        "unlabeled": unlabeled,
        "audit": audit,
        # An answer about a gold item is no label: counting those would tell which items were gold.
        "progress": not review and not audit and not project.gold_share,
    }
    return page(request, "label.html", project=project, config=config, guidelines=guidelines, classes=config["classes"])


def _class(c: projects_pb.LabelClass, *, paths: bool) -> dict[str, Any]:
    parent = c.name.rpartition(SEPARATOR)[0] if paths else ""
    return {"name": c.name, "description": c.description, "parent": parent, "examples": list(c.examples)}


async def lease(request: Request) -> Response:
    """Give the page items to show: ``{request_id, annotator, review, unlabeled, audit}``.

    ``unlabeled`` is how many new items compete with the labels that are reviewed; ``audit`` asks for draws instead.
    Without any, it says how many are being embedded, or in ``message`` why nothing can be given.
    """
    asked = await _json(request)
    review = asked.get("review") is True
    call = pb.LeaseItemsRequest(
        request_id=_text(asked, "request_id"),
        project=request.path_params["project"],
        annotator=_text(asked, "annotator"),
        count=PREFETCH,
        review=review,
        show_answers=review,
        unlabeled=_count(asked, "unlabeled"),
        audit=asked.get("audit") is True,
    )
    who = visitor(request)
    try:
        given = (await who.call(who.backend.labeling.LeaseItems, call)).lease
    except NextlabelError as error:
        if error.reason in _NOTHING_TO_GIVE:
            return JSONResponse({"lease_id": "", "expires_at": 0, "items": [], "message": error.message})
        waiting = await _awaiting_embedding(request) if error.code.name in _PASSING else 0
        if not waiting:
            raise
        return JSONResponse({"lease_id": "", "expires_at": 0, "items": [], "awaiting_embedding": waiting})
    return JSONResponse(
        {
            "lease_id": given.lease_id,
            "expires_at": given.expire_time.ToMilliseconds() if given.lease_id else 0,
            "items": [_shown(leased) for leased in given.items],
        }
    )


async def _awaiting_embedding(request: Request) -> int:
    name = request.path_params["project"]
    who = visitor(request)
    project = (await who.call(who.backend.projects.GetProject, projects_pb.GetProjectRequest(project=name))).project
    waiting: int = project.counts.awaiting_embedding
    return waiting


async def submit(request: Request) -> Response:
    """Take answers: ``{request_id, annotator, lease_id, answers: [{item_id, answer, comment, confidence}]}``.

    ``{item_id, skip: true}`` passes an item on to others. A second answer about an item corrects the first. A text may
    come with ``critiques: [{text, critique}]`` of the texts that it stands instead of; passed on with them, the item is
    for somebody else to write of.
    """
    asked = await _json(request)
    answers = asked.get("answers")
    if not isinstance(answers, list) or not all(isinstance(given, Mapping) for given in answers):
        raise InvalidArgument.field("answers", "expected a list of objects")
    call = pb.SubmitAnnotationsRequest(
        request_id=_text(asked, "request_id"),
        project=request.path_params["project"],
        annotator=_text(asked, "annotator"),
        lease_id=_text(asked, "lease_id"),
        annotations=[_submitted(given, f"answers[{i}]") for i, given in enumerate(answers)],
    )
    who = visitor(request)
    results = (await who.call(who.backend.labeling.SubmitAnnotations, call)).results
    return JSONResponse(
        {"results": [{"item_id": r.item_id, "taken": r.status != _REFUSED, "message": r.message} for r in results]}
    )


async def release(request: Request) -> Response:
    """Give the unanswered items of a lease back: ``{request_id, lease_id}``."""
    asked = await _json(request)
    call = pb.ReleaseLeaseRequest(
        request_id=_text(asked, "request_id"),
        project=request.path_params["project"],
        lease_id=_text(asked, "lease_id"),
    )
    who = visitor(request)
    return JSONResponse({"released": (await who.call(who.backend.labeling.ReleaseLease, call)).released})


async def progress(request: Request) -> Response:
    """Say how far the project is."""
    name = request.path_params["project"]
    who = visitor(request)
    project = (await who.call(who.backend.projects.GetProject, projects_pb.GetProjectRequest(project=name))).project
    return JSONResponse({"labeled": project.counts.labeled, "pool": project.counts.pool})


def as_json(handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Answer errors of the service as JSON, with a status that tells the page whether to try again."""

    async def answered(request: Request) -> Response:
        try:
            answer: Response = await handler(request)
        except InvalidArgument as error:
            return JSONResponse({"message": error.message, "reason": error.reason}, 400)
        except NextlabelError as error:
            again = error.code.name in _PASSING or error.retry_after_s is not None
            status = 503 if again else 401 if error.code.name == "UNAUTHENTICATED" else 409
            return JSONResponse({"message": error.message, "reason": error.reason}, status)
        return answer

    return answered


def _shown(leased: pb.LeasedItem) -> dict[str, Any]:
    item = leased.item
    shown: dict[str, Any] = {"id": item.id, "text": item.text, "metadata": MessageToDict(item.metadata)}
    if item.HasField("pair"):
        shown["pair"] = [item.pair.a, item.pair.b]
    if leased.HasField("suggestion"):
        suggestion = leased.suggestion
        shown["suggestion"] = {
            "answer": answer_value(suggestion.answer),
            "confidence": suggestion.confidence if suggestion.HasField("confidence") else None,
            "annotator": suggestion.annotator,
        }
    if leased.HasField("doubted"):
        shown["doubted"] = doubted_value(leased)
    return shown


def _submitted(given: Mapping[str, Any], path: str) -> pb.SubmittedAnnotation:
    if given.get("skip") is True:
        return pb.SubmittedAnnotation(item_id=_text(given, "item_id"), skip=True, critiques=_critiques(given, path))
    answer = given.get("answer")
    if not isinstance(answer, Mapping):
        raise InvalidArgument.field(f"{path}.answer", "expected an object such as {'label': 'billing'}")
    submitted = pb.SubmittedAnnotation(item_id=_text(given, "item_id"), answer=answer_message(answer, f"{path}.answer"))
    if comment := _text(given, "comment"):
        submitted.feedback = comment
    confidence = given.get("confidence")
    if isinstance(confidence, int | float) and not isinstance(confidence, bool):
        submitted.confidence = confidence
    elif confidence is not None:
        raise InvalidArgument.field(f"{path}.confidence", "expected a number from 0 to 1")
    submitted.critiques.extend(_critiques(given, path))
    return submitted


def _critiques(given: Mapping[str, Any], path: str) -> list[pb.TextCritique]:
    said = given.get("critiques", [])
    if not isinstance(said, list) or not all(isinstance(one, Mapping) for one in said):
        raise InvalidArgument.field(f"{path}.critiques", "expected a list of {'text': …, 'critique': …}")
    return [pb.TextCritique(text=_text(one, "text"), critique=_text(one, "critique")) for one in said]


async def _json(request: Request) -> Mapping[str, Any]:
    try:
        asked = json.loads(await request.body())
        json.dumps(asked, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidArgument.field("body", "expected JSON in valid Unicode") from error
    if not isinstance(asked, Mapping):
        raise InvalidArgument.field("body", "expected a JSON object")
    return asked


def _count(asked: Mapping[str, Any], field: str) -> int:
    value = asked.get(field, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise InvalidArgument.field(field, "expected a whole number, at least 0")
    return value


def _text(asked: Mapping[str, Any], field: str) -> str:
    value = asked.get(field, "")
    if not isinstance(value, str):
        raise InvalidArgument.field(field, "expected a string")
    return value
