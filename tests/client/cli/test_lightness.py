"""What must not be imported for nothing."""

import subprocess
import sys

import pytest

HEAVY = ("numpy", "pandas", "pyarrow", "torch", "sklearn", "sentence_transformers", "anthropic", "lance", "scipy")


def imported(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after this code."""
    script = f"{code}\nimport sys; print('\\n'.join({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


@pytest.mark.parametrize(
    "code",
    [
        "import nextlabel.client",
        "from nextlabel.client import connect; connect().close()",
        "from nextlabel.client.cli.main import build_app; build_app()",
    ],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    assert not imported(code) & set(HEAVY)


def test_the_help_page_needs_neither_grpc_nor_markdown() -> None:
    help_page = "from nextlabel.client.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    modules = imported(help_page)
    assert not modules & {*HEAVY, "grpc", "google", "markdown_it", "pygments"}
