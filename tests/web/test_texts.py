"""Candidate texts side by side: what strangers and models wrote is shown, and never becomes markup."""

from __future__ import annotations

from nextlabel.v1 import annotation_pb2, project_service_pb2
from nextlabel.v1 import labeling_service_pb2 as labeling_pb
from tests.api.services.conftest import GIVEN, batch, header, items, request_id
from tests.web.conftest import Server, violations, visitor
from tests.web.test_pages import HOSTILE


def test_candidates_of_strangers_stand_side_by_side_as_text(server: Server) -> None:
    api, name = server.api(), f"texts-{request_id()[:8]}"
    made = project_service_pb2.Project(name=name, annotation_type=annotation_pb2.ANNOTATION_TYPE_TEXT, embedding=GIVEN)
    api.projects.CreateProject(project_service_pb2.CreateProjectRequest(project=made))
    (item,) = items(1)
    item.text = HOSTILE
    list(api.pool.AddItems(iter([header(name, request_id()), batch(1, [item])])))
    for who in ("ann", HOSTILE[:40]):
        answer = annotation_pb2.Answer(text=annotation_pb2.TextResponse(text=f"{HOSTILE} by {who}"))
        given = labeling_pb.SubmittedAnnotation(item_id=item.id, answer=answer)
        request = labeling_pb.SubmitAnnotationsRequest(project=name, annotator=who, annotations=[given])
        api.labeling.SubmitAnnotations(request)
    with visitor(server) as client:
        assert f"/projects/{name}/texts" in client.get(f"/projects/{name}").text
        shown = client.get(f"/projects/{name}/texts").text
        assert shown.count("<li>") == 2
        assert "<script>alert" not in shown
        assert "<img src=x" not in shown
        assert not violations(shown)
        judged = client.get(f"/projects/{name}/texts", params={"judged_by": name})
        assert judged.status_code == 400
        assert "texts are judged in projects of preferences or scores" in judged.text
