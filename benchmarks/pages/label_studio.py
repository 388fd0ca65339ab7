"""The labeling page beside that of Label Studio: the same texts by the same keys in the same Chromium on loopback.

    python -m venv VENV && VENV/bin/pip install label-studio     # an environment of its own: 800 MB, some minutes
    python -m benchmarks.pages.label_studio VENV --items 100

A scripted person presses the key of a class as soon as a text is there, in Label Studio `Ctrl+Enter` after it, which
its page asks for. Both pages are timed by the same script inside of them: from the last key of an answer until the
next text is painted. The answers that were stored are compared with those that were given. Nothing leaves the machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from playwright.sync_api import Browser, Page, sync_playwright

from tests.api.services.conftest import items
from tests.web.conftest import ARGUMENTS, Server, free_port
from tests.web.test_browser import answers_of
from tests.web.visits import WAIT_MS, Visit, all_saved

CLASSES = ("cold", "warm")
START_S = 300
MAIL, PASSWORD, TOKEN = "ann@example.com", "only-on-loopback", "0123456789abcdef0123456789abcdef01234567"
FORM = """<View><Text name="text" value="$text"/><Choices name="label" toName="text" choice="single-radio">
<Choice value="cold" hotkey="1"/><Choice value="warm" hotkey="2"/></Choices></View>"""

PROBE = """(shown) => {
  const probe = window.probe = {text: "", pressed: 0, waits: []};
  addEventListener("keydown", (event) => { probe.pressed = event.timeStamp; }, true);
  (function look() {
    const node = document.querySelector(shown), text = node && node.checkVisibility() ? node.innerText : "";
    if (text && text !== probe.text) {
      probe.text = text;
      const pressed = probe.pressed;
      if (pressed) setTimeout(() => probe.waits.push(performance.now() - pressed));
    }
    requestAnimationFrame(look);
  })();
}"""


@dataclass(frozen=True, slots=True)
class Labeled:
    """What one page took: its answers by text, milliseconds from key to next text, seconds over all."""

    given: Mapping[str, str]
    waits_ms: Sequence[float]
    seconds: float


def label_by_keys(page: Page, shown: str, answer: Callable[[Page, int], None], count: int) -> Labeled:
    """Answer `count` texts as they are shown in the element `shown`, each as soon as it is there."""
    page.wait_for_selector(shown, timeout=WAIT_MS)
    page.evaluate(PROBE, shown)
    given: dict[str, str] = {}
    text, began = "", time.perf_counter()
    for _ in range(count):
        page.wait_for_function("before => probe.text && probe.text !== before", arg=text, timeout=WAIT_MS)
        text = page.evaluate("probe.text")
        number = int(text.rsplit(" ", 1)[1]) % len(CLASSES)
        answer(page, number)
        given[text] = CLASSES[number]
    page.wait_for_function("before => probe.text !== before", arg=text, timeout=WAIT_MS)
    seconds = time.perf_counter() - began
    page.wait_for_function("count => probe.waits.length >= count", arg=count, timeout=WAIT_MS)
    return Labeled(given, page.evaluate("probe.waits"), seconds)


def here(browser: Browser, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        server.start()
        api = server.api()
        project = api.filled(count + 50)
        visit = Visit(browser, server)
        page = visit.open(f"/projects/{project}/label")
        page.wait_for_selector("#card:not([hidden])", timeout=WAIT_MS)
        labeled = label_by_keys(page, "#text", lambda page, number: page.keyboard.press("12"[number]), count)
        all_saved(page)
        stored = answers_of(api, project)
        report("nextlabel", labeled, {item.text: stored.get(item.id, []) for item in items(count + 50)})
        visit.context.close()
        server.stop()


def label_studio(browser: Browser, url: str, count: int) -> None:
    with httpx2.Client(base_url=url, headers={"authorization": f"Token {TOKEN}"}, timeout=120) as api:
        made = api.post("/api/projects", json={"title": "benchmark", "label_config": FORM})
        assert made.status_code == 201, made.text
        project = made.json()["id"]
        tasks = [{"data": {"text": item.text}} for item in items(count + 50)]
        assert api.post(f"/api/projects/{project}/import", json=tasks).status_code == 201
        page = browser.new_context(viewport={"width": 1_280, "height": 900}).new_page()
        page.goto(f"{url}/user/login/?next=/projects/{project}/data%3Flabeling%3D1", timeout=START_S * 1_000)
        page.fill("input[name=email]", MAIL)
        page.fill("input[name=password]", PASSWORD)
        page.click("button[type=submit]", no_wait_after=True)
        labeled = label_by_keys(page, ".lsf-richtext__line", _in_label_studio, count)
        time.sleep(2)  # it says nowhere on the page that the last answer has arrived
        exported = api.get(f"/api/projects/{project}/export", params={"exportType": "JSON"}).json()
        stored = {
            task["data"]["text"]: [
                result["value"]["choices"][0] for found in task["annotations"] for result in found["result"]
            ]
            for task in exported
        }
        report("Label Studio", labeled, stored)
        page.context.close()


def _in_label_studio(page: Page, number: int) -> None:
    page.keyboard.press("12"[number])
    page.wait_for_selector(f".lsf-choices .lsf-choice:nth-child({number + 1}) input:checked", timeout=WAIT_MS)
    page.keyboard.press("Control+Enter")


def report(name: str, labeled: Labeled, stored: Mapping[str, Sequence[str]]) -> None:
    waits = sorted(labeled.waits_ms)
    wrong = [text for text, label in labeled.given.items() if list(stored.get(text, [])) != [label]]
    print(
        f"{name}: {len(labeled.given)} texts, {60 * len(labeled.given) / labeled.seconds:.0f} answers a minute; key to "
        f"next text: median {statistics.median(waits):.0f} ms, p95 {waits[int(0.95 * len(waits))]:.0f} ms; "
        f"{len(wrong)} lost, doubled or wrong",
        flush=True,
    )


@contextmanager
def running(environment: Path) -> Iterator[str]:
    """Label Studio with one user, its data in a folder that goes with it; yields where it is."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        variables = os.environ | {"COLLECT_ANALYTICS": "false", "LATEST_VERSION_CHECK": "false", "SENTRY_DSN": ""}
        variables |= {"FRONTEND_SENTRY_DSN": "", "LABEL_STUDIO_BASE_DATA_DIR": folder}
        variables.pop("PYTHONPATH", None)
        options = ["--no-browser", "--data-dir", folder, "--port", str(port), "--internal-host", "127.0.0.1"]
        options += ["--username", MAIL, "--password", PASSWORD, "--user-token", TOKEN, "--enable-legacy-api-token"]
        process = subprocess.Popen(
            [environment / "bin" / "label-studio", "start", *options],
            env=variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_up(url)
            yield url
        finally:
            process.terminate()
            process.wait()


def wait_until_up(url: str) -> None:
    ends = time.monotonic() + START_S
    while True:
        try:
            if httpx2.get(f"{url}/health", timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        if time.monotonic() > ends:
            raise SystemExit(f"Label Studio did not start within {START_S} s")
        time.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", type=Path, help="a virtual environment with label-studio")
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2, help="how often each page is measured, in turn")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    alone = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    with running(arguments.environment) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS, alone])
        for _ in range(arguments.rounds):
            here(browser, arguments.items)
            label_studio(browser, url, arguments.items)
        browser.close()


if __name__ == "__main__":
    main()
