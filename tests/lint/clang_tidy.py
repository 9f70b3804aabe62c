#!/usr/bin/env python3
"""Runs clang-tidy over the sources below src, several of them at a time in one translation unit.

    clang_tidy.py BUILD

BUILD is a configured folder of this repository: its compile_commands.json says how sources are compiled. Most of
clang-tidy's time goes to headers, once for each translation unit; sources of one folder that define no name twice
share one. Where such a unit does not compile all the same, its sources are looked at one by one. The exit status is 1
when something was found.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 8


@dataclass
class Unit:
    """Sources to be read as one, and the names they keep to themselves."""

    command: str
    sources: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


def own_names(source: str) -> set[str]:
    """Names defined in unnamed namespaces, by the way this project is formatted; rather too many than too few."""
    names: set[str] = set()
    inside = False
    for line in Path(source).read_text().splitlines():
        if line == "namespace {":
            inside = True
        elif line.startswith("}  // namespace"):
            inside = False
        elif inside and line[:1] not in ("", " ", "/", "}", "#"):
            names.update(re.findall(r"(?<!::)\b([A-Za-z_]\w*)\s*(?=[({=;\[:])(?!::)", line))
            names.update(re.findall(r"\b(?:class|struct|enum|using)\s+(\w+)", line))
    return names


def units(commands: list[dict[str, str]]) -> list[Unit]:
    found: list[Unit] = []
    for entry in sorted(commands, key=lambda entry: entry["file"]):
        if not Path(entry["file"]).is_relative_to(ROOT / "src"):
            continue
        command = re.sub(r" -o \S+ -c \S+$", "", entry["command"])
        source, names = entry["file"], own_names(entry["file"])
        folder = os.path.dirname(source)
        for unit in found:
            if (
                unit.command == command
                and len(unit.sources) < AT_ONCE
                and os.path.dirname(unit.sources[0]) == folder
                and not unit.names & names
            ):
                break
        else:
            unit = Unit(command)
            found.append(unit)
        unit.sources.append(source)
        unit.names |= names
    return found


def tidy(folder: Path, number: int, unit: Unit) -> tuple[int, str]:
    """Look at one unit; returns the status and what was said."""
    path = folder / f"{number}.cc"
    path.write_text("".join(f'#include "{source}"  // NOLINT(bugprone-suspicious-include)\n' for source in unit.sources))
    done = subprocess.run(
        ["clang-tidy", "-quiet", f"--config-file={ROOT / '.clang-tidy'}", str(path), "--", *shlex.split(unit.command)[1:]],
        capture_output=True, text=True, check=False, cwd=folder,
    )
    if done.returncode != 0 and "[clang-diagnostic-error]" in done.stdout and len(unit.sources) > 1:
        alone = [
            tidy(folder, 1000 * (number + 1) + at, Unit(unit.command, [source]))
            for at, source in enumerate(unit.sources)
        ]
        return max(status for status, _ in alone), "".join(text for _, text in alone)
    return done.returncode, done.stdout + (done.stderr if done.returncode != 0 else "")


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    build = Path(sys.argv[1]).resolve()
    folder = build / "tidy"
    folder.mkdir(exist_ok=True)
    todo = units(json.loads((build / "compile_commands.json").read_text()))
    if not todo:
        print(f"{build}/compile_commands.json names no source of {ROOT / 'src'}", file=sys.stderr)
        return 1
    # The largest first: none is waited for alone at the end.
    todo.sort(key=lambda unit: -len(unit.sources))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        done = list(pool.map(lambda item: tidy(folder, *item), enumerate(todo)))
    print("".join(text for _, text in done if text.strip()), end="")
    print(f"{sum(len(unit.sources) for unit in todo)} sources, {len(todo)} units")
    return int(any(status != 0 for status, _ in done))


if __name__ == "__main__":
    sys.exit(main())
