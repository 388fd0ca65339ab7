"""The namespace over four roots holds, and what must stay light stays light."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = ("proto", "client", "strategies", "server")
HEAVY = ("numpy", "pandas", "pyarrow", "torch", "sklearn", "scipy", "anthropic", "lance", "sqlalchemy", "modAL")


@pytest.mark.parametrize("root", ROOTS)
def test_the_namespace_has_no_init_file(root):
    assert not (ROOT / root / "nextlabel" / "__init__.py").exists()


@pytest.mark.parametrize("package", ["nextlabel.v1", "nextlabel.client", "nextlabel.strategies", "nextlabel.server"])
def test_every_part_is_typed(package):
    assert files(package).joinpath("py.typed").is_file()


@pytest.mark.parametrize(
    "statement",
    [
        "import nextlabel.client; nextlabel.client.connect",
        "import sys; sys.argv = ['nextlabel', '--help']; from nextlabel.client.cli import main; main()",
        "import sys; sys.argv = ['nextlabel', 'serve', '--help']; from nextlabel.client.cli import main; main()",
    ],
)
def test_client_and_help_import_nothing_heavy(statement):
    program = f"""
import atexit, sys
atexit.register(lambda: print("HEAVY", sorted(set(sys.modules) & set({HEAVY!r}))))
{statement}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("HEAVY []"), done.stdout
