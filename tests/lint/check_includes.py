#!/usr/bin/env python3
"""Holds every #include of src/ and include/ to the table of modules in docs/design.md."""

import pathlib
import re
import sys

# module: modules whose headers it may include.
MODULES = {
    "base": set(),
    "net": {"base"},
    "storage": {"base", "net"},
    "transfer": {"base", "storage"},
    "binlog": {"base"},
    "meta": {"base", "storage"},
    "milvus": {"base", "net"},
    "backup": {"base", "net", "storage", "transfer", "binlog", "meta", "milvus"},
    "migration": {"base", "net", "storage", "transfer", "binlog", "meta", "milvus", "backup"},
    "config": {"base"},
    "service": {"base", "net", "storage", "transfer", "binlog", "meta", "milvus", "backup", "migration", "config"},
    "cli": {
        *("base", "net", "storage", "transfer", "binlog", "meta", "milvus", "backup", "migration", "config", "service"),
    },
}
# config fills the options structs of the modules below it, and may see nothing else of them.
OPTIONS = re.compile(r"^(storage|transfer|milvus|backup|migration)/\w*options\.h$")

# First path element of a third-party header: modules whose .cc files may include it. fmt is part of
# the logging façade and may stand anywhere.
THIRD_PARTY = {
    "curl": {"net"},
    "openssl": {"base", "storage", "service"},
    "isa-l": {"base"},
    "spdlog": {"base"},
    "tinyxml2.h": {"storage"},
    "nlohmann": {"meta", "milvus", "migration", "service", "cli"},
    "zstd.h": {"binlog", "meta"},
    "grpcpp": {"milvus"},
    "grpc": {"milvus"},
    "google": {"milvus"},
    "common.pb.h": {"milvus"},
    "yaml-cpp": {"config"},
    "CLI": {"cli"},
    "date": {"service"},
    "httplib.h": {"service"},
    "prometheus": {"service"},
    "archive.h": {"backup"},
    "archive_entry.h": {"backup"},
    "sqlite3.h": {"migration"},
    "mysql.h": {"migration"},
    "hdf5.h": {"migration"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def module_of(path: pathlib.Path, root: pathlib.Path) -> str:
    parts = path.relative_to(root).parts
    return parts[1] if parts[0] == "src" and len(parts) > 2 else parts[2] if parts[0] == "include" else ""


def check_file(path: pathlib.Path, root: pathlib.Path) -> list[str]:
    module = module_of(path, root)
    is_public = path.relative_to(root).parts[0] == "include"
    problems = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(2)
        where = f"{path.relative_to(root)}:{number}"
        if target.startswith("milvus_backup/"):
            other = target.split("/")[1]
            allowed = MODULES[module] | {module}
            if other not in allowed and not (
                module == "config" and OPTIONS.match(target.removeprefix("milvus_backup/"))
            ):
                problems.append(f"{where}: {module} may not include {target}")
            continue
        first = target.split("/")[0]
        owner = THIRD_PARTY.get(first)
        if owner is None and re.search(r"\.(grpc\.)?pb\.h$", target):
            owner = {"milvus"}
        if owner is None:
            continue
        if is_public:
            problems.append(f"{where}: third-party header {target} in a public header")
        elif module not in owner:
            problems.append(f"{where}: {module} may not include {target}")
    if is_public and "#pragma once" not in path.read_text():
        problems.append(f"{path.relative_to(root)}: no #pragma once")
    return problems


def main() -> int:
    root = pathlib.Path(sys.argv[1]).resolve()
    problems, files = [], 0
    for top in ("src", "include"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".h", ".cc") or path == root / "src/main.cc":
                continue
            files += 1
            module = module_of(path, root)
            if module not in MODULES:
                problems.append(f"{path.relative_to(root)}: module {module!r} is not in the table")
                continue
            problems += check_file(path, root)
    print("\n".join(problems))
    print(f"{files} files, {len(problems)} problems")
    return 1 if problems or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
