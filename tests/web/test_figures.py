"""The part of a project's page that changes, as its template writes it."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from nextlabel.server.web import app
from nextlabel.server.web.words import figures
from nextlabel.v1 import project_service_pb2, report_service_pb2

TEMPLATES = Environment(loader=FileSystemLoader(Path(app.__file__).parent / "templates"), autoescape=True)
TEMPLATES.filters.update(figures.FILTERS)


def shown(project: project_service_pb2.Project) -> str:
    return TEMPLATES.get_template("figures.html").render(project=project, figures=report_service_pb2.Overview())


def test_a_model_that_takes_over_is_followed_until_it_has() -> None:
    project = project_service_pb2.Project(name="news")
    assert "takes over" not in shown(project)
    project.re_embedding.CopyFrom(project_service_pb2.ReEmbedding(model="<e5>", embedded=1_024, items=5_000))
    page = shown(project)
    assert "The embedding model &lt;e5&gt; takes over: it has embedded 1,024 of 5,000 items" in page
    assert 'hx-get="/projects/news/figures" hx-trigger="load delay:2s"' in page
    project.re_embedding.items = 0
    assert "<meter" not in shown(project)
