"""`milvus-backup verify --deep` beside `sha256sum` and `rclone check --download`; run by `make bench`.

    verify_deep.py BUILD [--rclone RCLONE] [--rounds N]

BUILD is the folder of milvus-backup and bench/binlog_read (build/release). A real backup of 500,000 rows of 256
dimensions lies in a MinIO, with its data in memory (/dev/shm), and in a folder there. CPU seconds are those of the
client per GiB read (rclone reads both sides), medians of the rounds, in which all take turns. Reading and hashing alone
and parsing are told apart by the program that runs the same code on the logs of the vectors.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from large_backup import DIM, NAME, make_large_backup  # noqa: E402
from peak import Measured, measure  # noqa: E402
from servers import MinioServer, exit_on_signals  # noqa: E402

VECTOR_FIELD = "101"


def logs_of(folder: Path) -> list[tuple[str, str]]:
    """Keys of the vectors' logs below `folder`, and what binlog_read wants to know of each."""
    found = []
    for path in sorted(folder.rglob(f"insert_log/**/{VECTOR_FIELD}/*")):
        key = path.relative_to(folder)
        ids = key.parts[key.parts.index("insert_log") + 1:]
        collection, partition, segment, field = ids[0], ids[1], ids[-3], ids[-2]
        found.append((str(key), f"{collection} {partition} {segment} {field}"))
    assert found
    return found


def main() -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--rclone", type=Path, help="the rclone program; without it rclone is left out")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    exit_on_signals()
    build = options.build.absolute()
    program, reader = build / "milvus-backup", build / "bench" / "binlog_read"
    work = Path(tempfile.mkdtemp(prefix="mb-bench-verify-", dir="/dev/shm"))
    try:
        with MinioServer("bucket", base=work) as store:
            sizes = make_large_backup(program, store, "bucket")
            gib = sum(sizes.values()) / 2**30
            config = work / "backup.yaml"
            config.write_text(
                f"storages:\n  m:\n    storageType: minio\n    address: 127.0.0.1\n    port: {store.port}\n"
                "    accessKeyID: minioadmin\n    secretAccessKey: minioadmin\n    useSSL: false\n"
                "    bucketName: bucket\n    rootPath: backup\nlog:\n  console: false\n")
            there, here = f"m:bucket/backup/{NAME}", work / "copy" / NAME
            run = [program, "--config", config, "--json"]
            checked(measure(work / "peak", work, *run, "copy", there, here))
            logs = logs_of(work / "copy")
            logs_gib = sum((work / "copy" / key).stat().st_size for key, _ in logs) / 2**30
            on_disk, on_minio = work / "disk-list", work / "minio-list"
            on_disk.write_text("".join(f"{key} {ids}\n" for key, ids in logs))
            on_minio.write_text("".join(f"backup/{key} {ids}\n" for key, ids in logs))
            for name, value in (("TYPE", "s3"), ("PROVIDER", "Minio"), ("ENDPOINT", f"http://127.0.0.1:{store.port}"),
                                ("ACCESS_KEY_ID", "minioadmin"), ("SECRET_ACCESS_KEY", "minioadmin")):
                os.environ[f"RCLONE_CONFIG_M_{name}"] = value
            os.environ["RCLONE_CONFIG"] = "/dev/null"

            def read(mode: str, place: str | Path, listing: Path) -> list[str | Path]:
                return ["sh", "-c", 'exec "$@" < "$0"', listing, reader, mode, str(DIM), str(place)]

            files = [path for path in here.rglob("*") if path.is_file()]
            jobs: dict[str, tuple[float, list[str | Path]]] = {
                "verify --deep, MinIO": (gib, [*run, "verify", "--deep", there]),
                "verify --deep, disk": (gib, [*run, "verify", "--deep", here]),
                "reading and CRC32C, MinIO": (logs_gib, read("hash", f":{store.port}/bucket", on_minio)),
                "the same and parsing, MinIO": (logs_gib, read("check", f":{store.port}/bucket", on_minio)),
                "reading and CRC32C, disk": (logs_gib, read("hash", work / "copy", on_disk)),
                "the same and parsing, disk": (logs_gib, read("check", work / "copy", on_disk)),
                "sha256sum, disk": (gib, ["sha256sum", *files]),
            }
            if options.rclone:
                jobs["rclone check --download, MinIO and disk"] = (
                    2 * gib, [options.rclone.absolute(), "check", "--download", f"m:bucket/backup/{NAME}", here])
            runs: dict[str, list[Measured]] = {name: [] for name in jobs}
            for _ in range(options.rounds):
                for name, (_, command) in jobs.items():
                    runs[name].append(checked(measure(work / "peak", work, *command)))
            print(f"{len(sizes)} objects, {gib:.2f} GiB\n\n| | CPU s per GiB read | wall s | peak MiB |\n|---|---|---|---|")
            for name, (read_gib, _) in jobs.items():
                cpu, wall, peak = (statistics.median(getattr(each, what) for each in runs[name])
                                   for what in ("cpu_s", "wall_s", "peak_mib"))
                print(f"| {name} | {cpu / read_gib:.2f} | {wall:.2f} | {peak:.0f} |")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0


def checked(measured: Measured) -> Measured:
    """Fail with what the program said."""
    if measured.status != 0:
        raise SystemExit(measured.stderr + measured.stdout)
    return measured


if __name__ == "__main__":
    sys.exit(main())
