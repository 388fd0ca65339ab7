"""Profiles: named servers in a TOML file.

default = "lab"

[profiles.lab]
server = "lab.example.org:50051"
token = "nl_…"
ca = "/etc/nextlabel/ca.pem"
"""

import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from nextlabel.client.readers.text import read_text


@dataclass(frozen=True, slots=True)
class Profile:
    """A server and how to reach it; `ca`, `certificate` and `key` are PEM files and imply `tls`."""

    server: str | None = None
    token: str | None = None
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


def profiles_path() -> Path:
    """Where the profiles are: $XDG_CONFIG_HOME/nextlabel/profiles.toml, by default under ~/.config."""
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "nextlabel" / "profiles.toml"


def load_profile(name: str | None) -> Profile:
    """The profile of this name; without a name the default one, or an empty one when there is none.

    Raises ValueError for a name that is not in the file, and for a file or profile that cannot be understood.
    """
    path = profiles_path()
    if not path.exists():
        if name is None:
            return Profile()
        raise ValueError(f"profile: {name!r} was asked for, but there is no file {path}")
    try:
        content = tomllib.loads(read_text(path))
    except ValueError as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from None
    profiles = content.get("profiles", {})
    name = name or content.get("default")
    if name is None:
        return Profile()
    if name not in profiles:
        raise ValueError(f"profile: {name!r} is not in {path}; there are: {', '.join(profiles) or 'none'}")
    return _profile(profiles[name], f"{path}: profile {name!r}")


def _profile(section: Any, where: str) -> Profile:
    if not isinstance(section, dict):
        raise ValueError(f"{where} is no table")
    allowed = [field.name for field in fields(Profile)]
    unknown = sorted(set(section) - set(allowed))
    if unknown:
        raise ValueError(f"{where}: unknown {', '.join(unknown)}; allowed are {', '.join(allowed)}")
    files = [key for key in ("ca", "certificate", "key") if key in section]
    values: dict[str, Any] = {**section, **{key: Path(section[key]).expanduser() for key in files}}
    return Profile(**values)
