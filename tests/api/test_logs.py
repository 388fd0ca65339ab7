"""Logs: one form for all, and no secrets."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from nextlabel.server.api.boundary.health import ServiceHealth
from nextlabel.server.api.boundary.logs import configure_logs, hide_secrets


@pytest.fixture
def _restored() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("event", "kept"),
    [
        ({"admin_token": "nlt_x", "labels": 3}, {"admin_token": "[hidden]", "labels": 3}),
        ({"api_key": 1, "tokens": 17}, {"api_key": "[hidden]", "tokens": 17}),
        ({"event": "sent Bearer abc.def on"}, {"event": "sent [hidden] on"}),
        ({"event": "key sk-ant-0123456789 refused"}, {"event": "key [hidden] refused"}),
        ({"url": "postgresql://me:pw@host/db"}, {"url": "postgresql://[hidden]@host/db"}),
        ({"event": f"nlt_{'a' * 43}"}, {"event": "[hidden]"}),
    ],
)
def test_secrets_are_hidden_wherever_they_stand(event: dict[str, object], kept: dict[str, object]) -> None:
    assert hide_secrets(None, "info", event) == kept


@pytest.mark.usefixtures("_restored")
def test_our_logs_and_those_of_libraries_are_json_with_the_context_of_the_call(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("info", "json")
    with structlog.contextvars.bound_contextvars(reference="r1"):
        structlog.stdlib.get_logger("nextlabel.test").info("ours", count=2)
        logging.getLogger("library").warning("theirs: %s", "Bearer abc")
        structlog.stdlib.get_logger("nextlabel.test").debug("too fine")
    ours, theirs = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (ours["event"], ours["count"], ours["reference"]) == ("ours", 2, "r1")
    assert (theirs["event"], theirs["logger"], theirs["reference"]) == ("theirs: [hidden]", "library", "r1")


@pytest.mark.usefixtures("_restored")
def test_a_traceback_hides_secrets_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    try:
        raise RuntimeError("refused Bearer abcdef")
    except RuntimeError:
        structlog.stdlib.get_logger("nextlabel.test").exception("failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "RuntimeError" in json.loads(line)["exception"]
    assert "abcdef" not in line


@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize("library", ["alembic.runtime.migration", "sentence_transformers.base.model", "any"])
@pytest.mark.parametrize(("level", "told"), [("info", []), ("debug", [("debug", "Load from /home/ann/model")])])
def test_what_libraries_tell_is_for_debugging(
    capsys: pytest.CaptureFixture[str], library: str, level: str, told: list[tuple[str, str]]
) -> None:
    configure_logs(level, "json")
    logging.getLogger(library).info("Load from /home/ann/model")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == told
    logging.getLogger(library).error("broken")
    assert json.loads(capsys.readouterr().err)["level"] == "error"


@pytest.mark.usefixtures("_restored")
def test_headers_of_requests_to_a_bucket_are_told_at_no_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("debug", "json")
    logging.getLogger("botocore.auth").debug("x-amz-security-token: abc")
    logging.getLogger("botocore.auth").warning("clock is off")
    assert "abc" not in (told := capsys.readouterr().err)
    assert "clock is off" in told


async def test_a_probe_that_fails_on_and_on_is_told_once_for_each_reason() -> None:
    reasons = iter(["away", "away", "full", None, "full"])

    async def probe() -> None:
        if reason := next(reasons):
            raise OSError(reason)

    health = ServiceHealth({"service": probe})
    with capture_logs() as told:
        for _ in range(5):
            await health.check()
    assert len(told) == 3
