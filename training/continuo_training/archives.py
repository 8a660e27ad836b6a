"""Packages as their registries ship them: members in memory, and the licence their metadata declares."""

from __future__ import annotations

import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

from .licences import normal

#: Longest member that is read, bytes. Documents are far shorter; this bounds memory.
MAX_MEMBER_BYTES = 1 << 20


def members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """(path inside the package, content) of every regular file of a wheel, an sdist, an npm or a Debian package, in name order."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as opened:
            for info in sorted(opened.infolist(), key=lambda each: each.filename):
                if not info.is_dir() and info.file_size <= MAX_MEMBER_BYTES:
                    yield info.filename, opened.read(info)
        return
    read: list[tuple[str, bytes]] = []
    with _tar(archive) as opened:
        for member in opened:  # in the archive's own order: going back in a compressed stream means starting it again
            if member.isfile() and member.size <= MAX_MEMBER_BYTES:
                content = opened.extractfile(member)
                if content is not None:
                    read.append((_inside(member.name, archive), content.read()))
    yield from sorted(read, key=lambda each: each[0])


def declared_licence(archive: Path) -> str | None:
    """The licence in the package's own metadata as an SPDX expression; None when it is unclear or not permissive."""
    if archive.suffix == ".deb":
        return _debian_licence(archive)
    for name, content in members(archive):
        text = content.decode("utf-8", "replace")
        if archive.suffix == ".tgz" and name == "package.json":
            licence = json.loads(text).get("license")
            return normal(licence if isinstance(licence, str) else (licence or {}).get("type", ""))
        if re.fullmatch(r"[^/]+\.dist-info/METADATA|PKG-INFO", name):
            return _python_licence(text)
    return None


def _python_licence(metadata: str) -> str | None:
    """`License-Expression` if there is one, then the classifiers, then `License`, which many fill with the whole text."""
    headers = HeaderParser().parsestr(metadata)
    expression = headers.get("License-Expression")
    if expression:
        return normal(expression)
    classifiers = [each.rpartition("::")[2].strip() for each in headers.get_all("Classifier", []) if each.startswith("License ::")]
    named = [each for each in classifiers if each != "OSI Approved"]
    if named:
        return normal(" OR ".join(named))
    first_line = (headers.get("License") or "").strip().partition("\n")[0]
    return normal(first_line)


def _debian_licence(archive: Path) -> str | None:
    """The licence of `Files: *` in the machine-readable copyright file."""
    for name, content in members(archive):
        if re.fullmatch(r"usr/share/doc/[^/]+/copyright", name):
            stanzas = re.split(r"\n\s*\n", content.decode("utf-8", "replace"))
            for stanza in stanzas:
                if re.search(r"^Files:\s*\*", stanza, re.MULTILINE):
                    found = re.search(r"^License:\s*(.+)$", stanza, re.MULTILINE)
                    return normal(found.group(1)) if found else None
    return None


def _inside(name: str, archive: Path) -> str:
    """npm packages and sdists hold one folder, which says nothing; Debian's names begin with `./`."""
    if archive.suffix == ".deb":
        return name.removeprefix("./")
    return name.partition("/")[2]


def _tar(archive: Path) -> tarfile.TarFile:
    if archive.suffix != ".deb":
        return tarfile.open(archive)
    content = archive.read_bytes()
    at = len(b"!<arch>\n")
    while at < len(content):  # ar(5): 60 bytes of header, the size in decimal at 48, members start at even offsets
        name = content[at : at + 16].decode().rstrip(" /")
        size = int(content[at + 48 : at + 58])
        if name.startswith("data.tar"):
            return tarfile.open(fileobj=io.BytesIO(content[at + 60 : at + 60 + size]))
        at += 60 + size + size % 2
    raise SystemExit(f"{archive}: not a Debian package; delete it and fetch again")
