"""The part of a project's page that changes, as its template writes it."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from nextlabel.server.web import app
from nextlabel.server.web.words import figures
from nextlabel.v1 import learner_service_pb2, project_service_pb2, report_service_pb2

TEMPLATES = Environment(loader=FileSystemLoader(Path(app.__file__).parent / "templates"), autoescape=True)
TEMPLATES.filters.update(figures.FILTERS)


def shown(project: project_service_pb2.Project, model: learner_service_pb2.ModelVersion | None = None) -> str:
    figures = report_service_pb2.Overview()
    return TEMPLATES.get_template("figures.html").render(project=project, figures=figures, model=model)


def test_who_advises_and_what_that_is_worth_is_shown() -> None:
    model = learner_service_pb2.ModelVersion()
    assert "<h2>Advice" not in shown(project_service_pb2.Project(name="news"), model)
    model.advice.source = learner_service_pb2.PREDICTION_SOURCE_BOTH
    model.advice.advisors.add(annotator="<mini>", labels=60, right=39, weight=0.8512)
    model.advice.advisors.add(annotator="rules")
    model.evaluation.measures["accuracy_without_advice"] = 0.593
    page = shown(project_service_pb2.Project(name="news"), model)
    assert "predicted by learner and advice together. The learner alone is right on 59.3 % of the holdout" in page
    assert '&lt;mini&gt;</th><td class="number">39 of 60</td><td class="number">+0.85</td>' in page
    assert 'rules</th><td class="number">–</td>' in page


def test_a_model_that_takes_over_is_followed_until_it_has() -> None:
    project = project_service_pb2.Project(name="news")
    assert "takes over" not in shown(project)
    project.re_embedding.CopyFrom(project_service_pb2.ReEmbedding(model="<e5>", embedded=1_024, items=5_000))
    page = shown(project)
    assert "The embedding model &lt;e5&gt; takes over: it has embedded 1,024 of 5,000 items" in page
    assert 'hx-get="/projects/news/figures" hx-trigger="load delay:2s"' in page
    project.re_embedding.items = 0
    assert "<meter" not in shown(project)
