"""Whether an installed folder is as it was installed: a list of its files, written beside them.

Sizes and times are compared on every use, which takes milliseconds; digests only where those differ or somebody asks.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
_CHUNK = 1 << 20


def write_manifest(folder: Path) -> None:
    """Write down every file of a folder as it is now."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            files[path.relative_to(folder).as_posix()] = {
                "size": status.st_size,
                "mtime_ns": status.st_mtime_ns,
                "sha256": sha256(path),
            }
    (folder / MANIFEST).write_text(json.dumps({"files": files}))


def verify(place: Path) -> list[str]:
    """Read every file of an installed artifact and compare its digest.

    Returns:
        A sentence for each file that is not as it was installed; none if all is well.
    """
    try:
        recorded = _read_manifest(place)
    except (OSError, ValueError, KeyError) as error:
        return [f"{place} has no readable manifest: {error}"]
    problems = []
    for name, entry in recorded.items():
        try:
            actual = sha256(place / name)
        except OSError as error:
            problems.append(f"{name} cannot be read: {error}")
            continue
        if actual != entry["sha256"]:
            problems.append(f"{name} has the digest {actual}, was installed with {entry['sha256']}")
    return problems


def problem_of(place: Path) -> str | None:
    """What is wrong with an installed artifact, or None. Reads a file only if its size or time changed."""
    if not place.exists():
        return "it is not there"
    try:
        recorded = _read_manifest(place)
        changed = [name for name, entry in recorded.items() if not _looks_unchanged(f"{place}/{name}", entry)]
        for name in changed:
            if sha256(place / name) != recorded[name]["sha256"]:
                return f"{name} is not as it was installed"
    except (OSError, ValueError, KeyError) as error:
        return f"it is incomplete ({error})"
    return None


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _looks_unchanged(path: str, entry: Mapping[str, Any]) -> bool:
    status = os.stat(path)  # noqa: PTH116 - two thousand at every start: objects would take longer than the questions
    return bool(status.st_size == entry["size"] and status.st_mtime_ns == entry["mtime_ns"])


def _read_manifest(place: Path) -> dict[str, dict[str, Any]]:
    files: dict[str, dict[str, Any]] = json.loads((place / MANIFEST).read_text())["files"]
    return files
