"""The pinned list of packages that the training text comes from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).with_name("sources.json")


@dataclass(frozen=True)
class Source:
    """One package. `file` is what its registry calls the archive of this version."""

    registry: str
    name: str
    version: str
    licence: str
    file: str

    @property
    def key(self) -> str:
        return f"{self.registry}:{self.name}"


def read_sources(only: list[str] | None = None) -> list[Source]:
    """The whole list, or the packages named in `only` ("requests" or "pypi:requests")."""
    sources = [Source(**entry) for entry in json.loads(LIST.read_text())]
    if not only:
        return sources
    chosen = [source for source in sources if source.name in only or source.key in only]
    missing = set(only) - {name for source in chosen for name in (source.name, source.key)}
    if missing:
        raise SystemExit(f"{', '.join(sorted(missing))}: not in {LIST.name}; choose packages that it lists")
    return chosen
