"""Write the Python code and type stubs of every .proto file beside it.

The generator is pinned (grpcio-tools==1.76.0), because generated code refuses runtimes older than its generator.
"""

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
SCRIPTS = Path(sys.executable).parent


def main() -> int:
    """Run protoc over all files; return its exit status."""
    sources = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.proto"))
    outputs = [f"--{kind}_out={ROOT}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    # Servicers may leave methods to the generated class, which answers UNIMPLEMENTED.
    outputs.append("--mypy_grpc_opt=generate_concrete_servicer_stubs")
    # Named by path, so that the plugins are found when the environment is not activated.
    plugins = [f"--plugin={name}={SCRIPTS / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    well_known_types = files("grpc_tools") / "_proto"
    return int(protoc.main(["protoc", f"-I{ROOT}", f"-I{well_known_types}", *plugins, *outputs, *sources]))


if __name__ == "__main__":
    sys.exit(main())
