"""Pages of the site that are written elsewhere in the repository: the README, the map, and the examples."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"README.md": "index.md", "ARCHITECTURE.md": "ARCHITECTURE.md", "CONTRIBUTING.md": "CONTRIBUTING.md"}
PAGES["CHANGELOG.md"] = "CHANGELOG.md"
# Where the files of the repository that are no pages lie for readers of the site.
LINKS = {"../examples": "examples.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie beside the folder of the documentation."""
    for name, place in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, place, content=_as_page(text)))
    files.append(File.generated(config, "examples.md", content=_examples()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links out of the folder of the documentation into links within the site."""
    for name, place in PAGES.items():
        markdown = markdown.replace(f"](../{name}", f"]({place}")
    for name, place in LINKS.items():
        markdown = markdown.replace(f"]({name})", f"]({place})")
    return markdown


def _as_page(text: str) -> str:
    """Return a page of the root with its links as seen from the folder of the documentation."""
    text = re.sub(r"\]\(docs/", "](", text)
    for name, place in PAGES.items():
        text = text.replace(f"]({name}", f"]({place}")
    return text


def _examples() -> str:
    parts = ["# Examples", "Programs that run as they are; `NEXTLABEL_ADDRESS` names another server."]
    for path in sorted((ROOT / "examples").glob("*.py")):
        parts += [f"## {path.name}", f"```python\n{path.read_text(encoding='utf-8').strip()}\n```"]
    return "\n\n".join(parts) + "\n"
