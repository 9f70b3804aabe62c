"""Memory and time of every command on very many small objects; run by hand, `make bench` is for copies.

    many_objects.py MILVUS_BACKUP FAKE_CLUSTER [--collections N] [--partitions N] [--segments N] [--fields N]
                    [--only local|s3] [--folder FOLDER]

FAKE_CLUSTER (build/release/tests/fake_cluster) plays Milvus and S3; by default it holds 5 x 100 x 100 segments of 20
fields, a million binlogs of some bytes. On a disk (FOLDER, in memory unless told otherwise) and on S3 in turn, create
makes a backup of them, and the other commands are run on that. `restore` is measured by one that is refused because
the last log is missing: it has read the meta and compared every file by then, and changes nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from peak import Measured, measure  # noqa: E402
from s3 import S3Client  # noqa: E402

BUCKET = "bucket"


@contextlib.contextmanager
def cluster(program: Path, shape: list[int], folder: Path | None) -> Iterator[dict[str, Any]]:
    """The servers, filled; their ports and keys."""
    arguments = [str(number) for number in shape] + ([str(folder)] if folder else [])
    process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait()


def config_text(facts: dict[str, Any], folder: Path | None) -> str:
    """backup.yaml for a backup on the storage of Milvus itself."""
    milvus = f"milvus:\n  address: 127.0.0.1\n  port: {facts['milvus_port']}\n"
    if folder:
        return milvus + (f"minio:\n  storageType: local\n  rootPath: {folder / 'files'}\n"
                         f"  backupStorageType: local\n  backupRootPath: {folder / 'backup'}\n")
    return milvus + (f"minio:\n  storageType: minio\n  address: 127.0.0.1\n  port: {facts['s3_port']}\n"
                     f"  accessKeyID: {facts['access_key']}\n  secretAccessKey: {facts['secret_key']}\n"
                     f"  useSSL: false\n  bucketName: {BUCKET}\n  rootPath: files\n"
                     f"  backupBucketName: {BUCKET}\n  backupRootPath: backup\n")


def report(place: str, command: str, measured: Measured, expected_status: int = 0) -> None:
    """Print one row of docs/benchmarks.md."""
    if measured.status != expected_status:
        raise SystemExit(f"{command}: exit status {measured.status}\n{measured.stdout[-2000:]}{measured.stderr[-2000:]}")
    print(f"| {place} | {command} | {measured.peak_mib:.0f} MiB | {measured.wall_s:.1f} s | {measured.cpu_s:.1f} s |",
          flush=True)


def measure_commands(program: Path, place: str, work: Path, remove_last: Callable[[], None]) -> None:
    """create, then every other command on what it has made."""
    def run(*arguments: str) -> Measured:
        return measure(work / "peak.json", work, program, "--json", *arguments)

    created = run("create", "-n", "many")
    report(place, "`create`", created)
    print("    phases:", json.loads(created.stdout)["phases"], flush=True)
    report(place, "`list`", run("list"))
    report(place, "`get`", run("get", "-n", "many"))
    report(place, "`verify`", run("verify", "-n", "many"))
    source = f"s3://{BUCKET}/backup/many" if place == "S3" else str(work / "backup" / "many")
    planned = run("copy", source, str(work / "elsewhere"), "--dry-run")
    report(place, "`copy --dry-run`", planned)
    print("    planned:", json.loads(planned.stdout), flush=True)
    report(place, "`delete --dry-run`", run("delete", "-n", "many", "--dry-run"))
    remove_last()
    report(place, "`restore`, its checks", run("restore", "-n", "many", "-s", "_bak"), expected_status=20)


def measure_local(options: argparse.Namespace, shape: list[int], work: Path) -> None:
    """Everything on a disk."""
    def remove_last() -> None:
        path = work / "backup" / "many" / "binlogs" / "insert_log"
        while path.is_dir():
            path = max(path.iterdir())
        path.unlink()

    with cluster(options.fake_cluster, shape, work / "files") as facts:
        (work / "backup.yaml").write_text(config_text(facts, work))
        measure_commands(options.program, "disk", work, remove_last)


def measure_s3(options: argparse.Namespace, shape: list[int], work: Path) -> None:
    """Everything in one bucket."""
    with cluster(options.fake_cluster, shape, None) as facts:
        client = S3Client("127.0.0.1", facts["s3_port"], facts["access_key"], facts["secret_key"])
        (work / "backup.yaml").write_text(config_text(facts, None))
        # Collections are numbered as they are made, so the last key is in the last one.
        measure_commands(options.program, "S3", work, lambda: remove_last_key(client))


def remove_last_key(client: S3Client) -> None:
    """Remove the log with the last key, found level by level."""
    prefix = "backup/many/binlogs/insert_log/"
    keys = [prefix]
    while keys[-1].endswith("/"):
        keys.append(max(client.children(BUCKET, keys[-1])))
    client.delete(BUCKET, keys[-1])


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("fake_cluster", type=Path)
    parser.add_argument("--collections", type=int, default=5)
    parser.add_argument("--partitions", type=int, default=100)
    parser.add_argument("--segments", type=int, default=100)
    parser.add_argument("--fields", type=int, default=20)
    parser.add_argument("--only", choices=("local", "s3"))
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm") if Path("/dev/shm").is_dir() else None)
    options = parser.parse_args()
    options.program = options.program.absolute()
    options.fake_cluster = options.fake_cluster.absolute()
    shape = [options.collections, options.partitions, options.segments, options.fields]
    print("| storage | command | peak memory | wall | CPU |\n|---|---|---|---|---|", flush=True)
    for name, run in (("local", measure_local), ("s3", measure_s3)):
        if options.only in (None, name):
            work = Path(tempfile.mkdtemp(prefix="mb-bench-many-", dir=options.folder))
            try:
                run(options, shape, work)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
