"""What becomes of the engine with its process: killed, forked, ended without a word."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.embedded.conftest import CLASSES, TEXTS, Make, truth

PROGRAM = """
import os, sys
import sentence_transformers
from nextlabel.server import Labeler

encoder, folder, *texts = sys.argv[1:]
asked = []

def ask(text):
    asked.append(text)
    if len(asked) == dies_at:
        os.kill(os.getpid(), 9)
    return "colours" if "shade" in text else "numbers"

def fitted(**parameters):
    parameters |= {"annotator": ask, "embedding_model": encoder, "budget_labels": 9}
    return Labeler(["colours", "numbers"], **parameters).fit(texts)

def is_refused(labeler):
    try:
        labeler.predict(texts)
    except RuntimeError as error:
        return "forked" in str(error)
    return False

# What takes long is imported once, for a process that is killed and one that ends.
dies_at = 5
if not (child := os.fork()):
    fitted(folder=folder)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
dies_at = 0
labeler = fitted()
if not (child := os.fork()):
    os._exit(is_refused(labeler))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
print(labeler.predict(texts[:1])[0], labeler.project_.pool.status().counts.labeled)
"""


@dataclass(frozen=True)
class Ended:
    folder: Path
    process: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def ended(encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("kept")
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, encoder, str(folder), *TEXTS]
    return Ended(folder, subprocess.run(command, capture_output=True, text=True, check=False))


def test_what_was_answered_before_a_kill_is_not_asked_again(ended: Ended, make: Make) -> None:
    assert ended.process.stdout.splitlines()[0] == str(-signal.SIGKILL), ended.process.stderr
    asked: list[str] = []

    def ask_again(text: str) -> str:
        asked.append(text)
        return truth(text)

    labeler = make(CLASSES, annotator=ask_again, budget_labels=9, folder=ended.folder).fit(TEXTS)
    assert len(asked) == 5
    assert labeler.summary_.sources == {"learner": 31, "function:ask": 4, "function:ask_again": 5}


def test_it_ends_with_its_process_without_a_word_and_leaves_forks_alone(ended: Ended) -> None:
    assert (ended.process.returncode, ended.process.stdout.splitlines()[1:]) == (0, ["1", "colours 9"])
    assert "Traceback" not in ended.process.stderr
    assert "ignored" not in ended.process.stderr
