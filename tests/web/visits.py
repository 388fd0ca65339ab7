"""A visitor with a real browser."""

from __future__ import annotations

from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.web.conftest import Server

WAIT_MS = 20_000


class Visit:
    """A page of a visitor who is logged in; what the console complains of is kept."""

    def __init__(
        self, browser: Browser, server: Server, name: str = "ann", scheme: str = "light", width: int = 1_280
    ) -> None:
        self.context = browser.new_context(
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": width, "height": 900},
            has_touch=width < 600,
            is_mobile=width < 600,
        )
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.server = server
        self.page.goto(f"{server.url}/login")
        self.page.fill("input[name=name]", name)
        self.page.click("main button")

    def _note(self, message: ConsoleMessage) -> None:
        # A server that was killed on purpose is no fault of the page.
        if message.type in ("error", "warning") and "ERR_" not in message.text:
            self.complaints.append(message.text)

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.server.url}{path}")
        return self.page


def all_saved(page: Page) -> None:
    page.wait_for_selector("#kept[data-waiting='0']", timeout=WAIT_MS)
