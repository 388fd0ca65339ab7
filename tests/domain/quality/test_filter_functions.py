"""Functions that rules of filters call: installed by another distribution, or services that the owner names."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from nextlabel.server.annotators.fact_files import read_facts
from nextlabel.server.domain.learning.training_labels.function_values import FunctionValues
from nextlabel.server.settings.settings import SettingsError, load_settings
from nextlabel.server.values.errors import FailedPrecondition
from tests.domain.service import CLASSES, Service

IDS = [f"i{n}" for n in range(6)]
FUNCTIONS = """
def shouts(text):
    return text.isupper()

def fails(text):
    raise RuntimeError(text)
"""


class Lengths:
    """Says how long texts are, and keeps what it was asked."""

    takes: Final = "text"

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def values(self, texts):
        self.asked += texts
        return [len(text) for text in texts]


async def test_a_function_is_asked_about_a_text_once():
    lengths = Lengths()
    values = FunctionValues({"size": lengths})
    assert await values.of("size", ["a", "bb", "a"]) == [1, 2, 1]
    assert await values.of("size", ["bb", "ccc"]) == [2, 3]
    assert lengths.asked == ["a", "bb", "ccc"]


async def test_filters_call_functions_and_say_what_they_said(tmp_path, monkeypatch):
    lengths = Lengths()
    monkeypatch.setattr("nextlabel.server.wiring.parts.filter_functions", lambda settings, executor: {"size": lengths})
    service = Service(tmp_path)
    project = await service.create()
    await service.add(project, IDS, texts=["x" * (n + 1) for n in range(6)])
    await service.answer_as_llm(project, dict.fromkeys(IDS, CLASSES[0]))
    found = await service.parts.reports.quality.filter_sets.tried(project, "size(text) > 4")
    assert {one.item_id: one.why[""] for one in found.by_item()} == {"i4": "size(text) 5", "i5": "size(text) 6"}
    await service.parts.reports.quality.filter_sets.tried(project, "size(text) < 2")
    assert len(lengths.asked) == len(IDS)
    await service.close()


async def test_labels_that_contradict_a_file_of_known_facts_are_named(tmp_path, monkeypatch):
    path = tmp_path / "register.csv"
    path.write_text(f"id,kind\ni1,{CLASSES[0]}\ni2,{CLASSES[1]}\nnobody,{CLASSES[1]}\ni3,\n")
    files = {"register": read_facts("register", path)}
    assert files["register"].takes == "id"
    monkeypatch.setattr("nextlabel.server.wiring.parts.filter_functions", lambda settings, executor: files)
    service = Service(tmp_path)
    project = await service.create()
    await service.add(project, IDS)
    await service.answer_as_llm(project, dict.fromkeys(IDS, CLASSES[0]))
    rule = "register(id) != none and register(id) != label"
    found = await service.parts.reports.quality.filter_sets.tried(project, rule)
    [(item, why)] = [(one.item_id, one.why[""]) for one in found.by_item()]
    assert (item, why) == ("i2", f'register(id) "{CLASSES[1]}", label "{CLASSES[0]}"')
    await service.close()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("i1,a\ni2,b\n", "expected a heading"),
        ("id,kind\ni1,a,b\n", "line 2: expected two columns, .* got 3"),
        ("id,kind\ni1,a\ni1,a\ni1,b\n", "line 4: 'i1' has another value further up"),
        ("text,kind\nx," + "y" * 1_001, "line 2: the second column has 1,001 characters, at most 1,000"),
        ("id,kind\n\xe4,a\n".encode("latin-1"), "cannot be read as CSV in UTF-8"),
        ('id,kind\n"i1,a\n', "cannot be read as CSV"),
    ],
)
def test_what_is_wrong_with_a_file_of_facts_is_told_with_its_line(tmp_path, content, said):
    path = tmp_path / "facts.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FailedPrecondition, match=rf"filters\.files\.register: .*facts\.csv: {said}"):
        read_facts("register", path)


def test_another_distribution_adds_a_function_by_entry_point(tmp_path: Path) -> None:
    (tmp_path / "shouting.py").write_text(FUNCTIONS)
    metadata = tmp_path / "shouting-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n")
    entries = "[nextlabel.filters]\nshouts = shouting:shouts\nfails = shouting:fails\n"
    (metadata / "entry_points.txt").write_text(entries)
    asked = (
        "import asyncio\n"
        "from nextlabel.server.compute.threads import Threads\n"
        "from nextlabel.server.settings.filters import FilterSettings\n"
        "from nextlabel.server.wiring.filter_functions import filter_functions\n"
        "threads = Threads('t', 1)\n"
        "found = filter_functions(FilterSettings(), threads)\n"
        "print(asyncio.run(found['shouts'].values(['HELP', 'hello'])))\n"
        "try: asyncio.run(found['fails'].values(['x']))\n"
        "except Exception as refused: print(refused)\n"
        "threads.close()\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    told = subprocess.run(
        [sys.executable, "-c", asked], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert "[True, False]" in told.stdout
    assert "fails(text), which shouting provides, failed; the server's log has the details" in told.stdout


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"services": {"Rude!": "https://x.example"}}, "no name of a function"),
        ({"services": {"rude": "ftp://x.example"}}, "the URL of rude"),
        ({"services": {"rude": "https://me:secret@x.example"}}, "the URL of rude"),
        ({"service_keys": {"rude": "k"}}, "services has no URL"),
        ({"files": {"known": "gone.csv"}}, "files.known: there is no file gone.csv"),
        ({"files": {"Known": __file__}}, "no name of a function"),
        ({"files": {"rude": __file__}, "services": {"rude": "https://x.example"}}, "both services and files name rude"),
    ],
)
def test_services_and_files_are_named_and_keys_go_to_services(tmp_path, filters, said):
    with pytest.raises(SettingsError, match=said):
        load_settings({"data_dir": tmp_path, "filters": filters})
