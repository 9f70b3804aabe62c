"""`milvus-backup copy` against rclone and mc, from one MinIO to another on loopback; run by `make bench`.

    copy_objects.py BUILD [--rclone RCLONE] [--jobs a,b,...] [--rounds N] [--defaults] [--quick] [--raw FILE]

BUILD is the folder of milvus-backup, bench/copy_floor and bench/delay_proxy (build/release). Both servers keep their
data in memory (/dev/shm). Jobs: a 4 x 256 MiB, b 5,000 x 20 kB, c 1,000 x 4 MiB, d a real backup of 500,000 rows of 256
dimensions, f the plan of a copy of a million keys that a fake server lists, g d inside one MinIO, b+20, b+80, c+20 and
c+80 the same through a relay that adds as many milliseconds to the round trip (peers as they come, ours with several
widths); when asked for, ways: libcurl on blocking threads beside event loops. All tools take turns, round by round; what
is printed are medians.
Every run is checked: the destination must hold every object. Only figures of one run may be compared: the machine has
other users.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import hashlib
import hmac
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.parse
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from large_backup import make_large_backup  # noqa: E402
from many_objects import BUCKET, cluster, config_text  # noqa: E402
from peak import measure  # noqa: E402
from servers import MinioServer, exit_on_signals, free_ports, installed, mc_program  # noqa: E402

MIB = 1024 * 1024

# Every value tried, by job; mc has no setting for how many objects it copies at once.
FAST = ["--s3-disable-checksum", "--no-check-dest", "--s3-no-head"]
RCLONE_GRID: dict[str, dict[str, list[str]]] = {
    "a": {"64 MiB parts": ["--s3-chunk-size", "64M", "--s3-upload-concurrency", "8"],
          "one stream": ["--multi-thread-streams", "0", *FAST]},
    "b": {"16": ["--transfers", "16", "--checkers", "16"],
          "64 fast": ["--transfers", "64", "--checkers", "64", *FAST],
          "256 fast": ["--transfers", "256", "--checkers", "64", *FAST]},
    "c": {"64 fast": ["--transfers", "64", "--checkers", "64", *FAST]},
    "d": {"64 fast": ["--transfers", "64", "--checkers", "64", *FAST]},
}
MC_GRID: dict[str, dict[str, list[str]]] = {"a": {"whole": ["--disable-multipart"]}}
# Of ours, with the same memory, where the way is longer.
OUR_GRID = {f"--concurrency {width}": ["--concurrency", str(width)] for width in (32, 64, 128, 256)}


class Minio(MinioServer):
    """MinIO whose buckets can be opened to everybody, for the floor that signs nothing."""

    def open_bucket(self, bucket: str) -> None:
        """Create `bucket` for all to read and write."""
        self.client.create_bucket(bucket)
        policy = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject", "s3:PutObject"],
             "Resource": [f"arn:aws:s3:::{bucket}/*"]}]}
        self.client._request("PUT", f"/{bucket}", {"policy": ""}, body=json.dumps(policy).encode())

    def drop(self, bucket: str) -> None:
        """Remove a bucket with all objects, straight from the disk."""
        shutil.rmtree(self.data / bucket)


def presigned(method: str, port: int, path: str) -> str:
    """The query with which anybody may make this request for some minutes: signature version 4."""
    now = datetime.datetime.now(datetime.timezone.utc)
    scope = f"{now:%Y%m%d}/us-east-1/s3/aws4_request"
    query = "&".join(f"{name}={urllib.parse.quote(value, safe='')}" for name, value in (
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", f"minioadmin/{scope}"),
        ("X-Amz-Date", f"{now:%Y%m%dT%H%M%SZ}"), ("X-Amz-Expires", "900"), ("X-Amz-SignedHeaders", "host")))
    request = f"{method}\n{path}\n{query}\nhost:127.0.0.1:{port}\n\nhost\nUNSIGNED-PAYLOAD"
    to_sign = f"AWS4-HMAC-SHA256\n{now:%Y%m%dT%H%M%SZ}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = b"AWS4minioadmin"
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return f"?{query}&X-Amz-Signature={hmac.digest(key, to_sign.encode(), 'sha256').hex()}"


@dataclass
class Run:
    """What one run of one tool took."""

    job: str
    tool: str
    setting: str
    wall_s: float
    cpu_s: float
    peak_mib: float
    right: bool
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Tool:
    """How a tool is started: a command for (source port, source bucket, destination port, destination bucket)."""

    name: str
    setting: str
    command: Callable[[int, str, int, str], list[str | Path]]
    stdin: str | None = None


class DelayProxy:
    """The relay in front of both servers."""

    def __init__(self, program: Path, round_trip_ms: int, source: Minio, destination: Minio) -> None:
        self.ports = free_ports(2)
        routes = [f"{self.ports[0]}:{source.port}", f"{self.ports[1]}:{destination.port}"]
        self._process = subprocess.Popen([program, str(round_trip_ms), *routes], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def close(self) -> list[dict[str, Any]]:
        """End it; what it has counted at source and destination."""
        printed, _ = self._process.communicate()
        routes = json.loads(printed)
        assert len(routes) == 2
        return routes


def sizes_of(job: str, quick: bool) -> dict[str, int]:
    """Keys and sizes of a job's objects."""
    if job == "a":
        return {f"large/{i}": (64 if quick else 256) * MIB for i in range(4)}
    if job == "b":
        return {f"small/{i % 50:02}/{i:05}": 20_000 for i in range(1000 if quick else 5000)}
    return {f"middle/{i:04}": 4 * MIB for i in range(100 if quick else 1000)}


class Bench:
    """Two servers, the tools, and what has been measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.base = Path(tempfile.mkdtemp(prefix="mb-bench-copy-", dir="/dev/shm"))
        self.source = Minio(base=self.base)
        self.destination = Minio(base=self.base)
        self.runs: list[Run] = []
        self._next = 0
        self._filled: dict[str, dict[str, int]] = {}

    def fill(self, job: str) -> tuple[str, dict[str, int]]:
        """The bucket of a job at the source; all but d written by mc as Milvus' own client would: 16 MiB parts."""
        bucket = f"job-{job}"
        if job not in self._filled:
            self.source.open_bucket(bucket)
            if job == "d":
                self._filled[job] = make_large_backup(self.options.build / "milvus-backup", self.source, bucket)
                return bucket, self._filled[job]
            sizes = sizes_of(job, self.options.quick)
            folder = self.base / "files"
            for key, size in sizes.items():
                path = folder / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(os.urandom(size))
            subprocess.run([mc_program(), "--quiet", "mirror", folder, f"a/{bucket}"], check=True,
                           env=os.environ | self.mc_hosts(self.source.port, 0), capture_output=True)
            shutil.rmtree(folder)
            self._filled[job] = sizes
        return bucket, self._filled[job]

    def forget(self, job: str) -> None:
        """Give the memory of a job back."""
        if self._filled.pop(job, None) is not None:
            self.source.drop(f"job-{job}")

    @staticmethod
    def mc_hosts(source: int, destination: int) -> dict[str, str]:
        """Names a and b for mc."""
        return {f"MC_HOST_{name}": f"http://minioadmin:minioadmin@127.0.0.1:{port}"
                for name, port in (("a", source), ("b", destination))}

    @staticmethod
    def rclone_remotes(source: int, destination: int) -> dict[str, str]:
        """Remotes a and b for rclone."""
        values = {"RCLONE_CONFIG": "/dev/null"}
        for name, port in (("A", source), ("B", destination)):
            values |= {f"RCLONE_CONFIG_{name}_{key}": value for key, value in (
                ("TYPE", "s3"), ("PROVIDER", "Minio"), ("ENDPOINT", f"http://127.0.0.1:{port}"),
                ("ACCESS_KEY_ID", "minioadmin"), ("SECRET_ACCESS_KEY", "minioadmin"))}
        return values

    def config(self, source: int, destination: int) -> Path:
        """A configuration that calls the two servers a and b."""
        path = self.base / "copy.yaml"
        path.write_text("log:\n  console: false\nstorages:\n" + "".join(
            f"  {name}:\n    storageType: minio\n    address: 127.0.0.1\n    port: {port}\n"
            "    accessKeyID: minioadmin\n    secretAccessKey: minioadmin\n    useSSL: false\n"
            for name, port in (("a", source), ("b", destination))))
        return path

    def tools(self, source: str, grid: bool, inside: bool = False, ours: bool = False) -> list[Tool]:
        """Ours and the peers, peers (or ours) with every setting of their grids for a job or as they come.

        Peers let the server copy only between two buckets of one name of theirs.
        """
        there = "a" if inside else "b"
        found = []
        for setting, extra in ({"default": []} | (OUR_GRID if ours else {})).items():
            found.append(Tool("ours", setting, lambda s, a, d, b, extra=extra: [
                self.options.build / "milvus-backup", "--config", self.config(s, d), "--json", "copy", *extra,
                f"a:{a}", f"{there}:{b}"]))
        for setting, flags in ({"default": []} | (RCLONE_GRID.get(source, {}) if grid else {})).items():
            if self.options.rclone:
                found.append(Tool("rclone", setting, lambda s, a, d, b, flags=flags: [
                    self.options.rclone, "copy", *flags, f"A:{a}", f"{there.upper()}:{b}"]))
        for setting, flags in ({"default": []} | (MC_GRID.get(source, {}) if grid else {})).items():
            found.append(Tool("mc", setting, lambda s, a, d, b, flags=flags: [
                mc_program(), "--quiet", "mirror", *flags, f"a/{a}", f"{there}/{b}"]))
        return found

    def floors(self, sizes: dict[str, int], bucket: str, modes: Sequence[str] = ("raw", "easy", "multi", "signed"),
               widths: Sequence[int] = (16,)) -> list[Tool]:
        """Bare GET and PUT, so many objects or parts at once."""
        def listing(mode: str, ports: tuple[int, int]) -> str:
            if mode != "signed":
                return "\n".join(f"{size} /{bucket}/{key}" for key, size in sizes.items())
            return "\n".join(
                " ".join((str(size), path, presigned("GET", ports[0], path), presigned("PUT", ports[1], path)))
                for path, size in ((f"/{bucket}/{key}", size) for key, size in sizes.items()))

        found = []
        for mode, width in itertools.product(modes, widths):
            # Whole objects only can be signed beforehand.
            if mode == "signed" and max(sizes.values()) > 16 * MIB:
                continue
            found.append(Tool("floor", f"{mode} {width}", lambda s, a, d, b, mode=mode, width=width: [
                self.options.build / "bench" / "copy_floor", mode, str(s), str(d), str(width), str(16 * MIB),
                listing(mode, (s, d)), b]))
        return found

    def ways(self) -> None:
        """Blocking threads beside event loops, for docs/decisions/009: small objects and parts of 16 MiB."""
        ports = (self.source.port, self.destination.port)
        for source in ("b", "a"):
            bucket, sizes = self.fill(source)
            tools = self.floors(sizes, bucket, ("easy", "multi"), (1, 8, 32, 128))
            for number in range(self.options.rounds):
                for tool in tools if number % 2 == 0 else reversed(tools):
                    self.run(f"ways {source}", tool, bucket, sizes, ports)

    def run(self, job: str, tool: Tool, bucket: str, sizes: dict[str, int], ports: tuple[int, int],
            destination: Minio | None = None) -> Run:
        """One run into a fresh bucket, which is checked and removed."""
        there = destination or self.destination
        self._next += 1
        target = f"run-{self._next}"
        command = tool.command(ports[0], bucket, ports[1], target)
        if tool.name == "floor":
            # The floor writes beside what it reads: same path, other server.
            target = bucket
            listing = self.base / "list"
            listing.write_text(str(command[-2]))
            command = ["sh", "-c", f"exec \"$@\" < {listing}", "floor", *command[:-2]]
        there.open_bucket(target)
        for name, value in (self.mc_hosts(*ports) | self.rclone_remotes(*ports)).items():
            os.environ[name] = value
        taken = measure(self.base / "peak.json", self.base, *command)
        run = Run(job, tool.name, tool.setting, taken.wall_s, taken.cpu_s, taken.peak_mib, taken.status == 0)
        if tool.name == "ours" and taken.status == 0:
            run.notes = json.loads(taken.stdout)
        if taken.status != 0:
            run.notes["error"] = taken.stderr[-500:]
        if tool.name != "floor":
            held = sum(1 for _ in (there.data / target).rglob("xl.meta"))
            run.right = run.right and held == len(sizes)
            run.notes["held"] = held
        there.drop(target)
        self.runs.append(run)
        print(f"  {job} {tool.name} {tool.setting}: {run.wall_s:.2f} s, cpu {run.cpu_s:.2f} s, "
              f"{run.peak_mib:.0f} MiB {run.notes if not run.right or tool.name == 'ours' else ''}", file=sys.stderr)
        return run

    def job(self, job: str, source: str, delay_ms: int | None = None, inside: bool = False) -> None:
        """All rounds of a job."""
        bucket, sizes = self.fill(source)
        destination = self.source if inside else self.destination
        ports = (self.source.port, destination.port)
        proxy = None
        if delay_ms is not None:
            proxy = DelayProxy(self.options.build / "bench" / "delay_proxy", delay_ms, self.source, self.destination)
            ports = (proxy.ports[0], proxy.ports[1])
        grid = delay_ms is None and not self.options.defaults
        tools = self.tools(source, grid, inside, ours=delay_ms is not None and not self.options.defaults)
        if not inside:
            tools += self.floors(sizes, bucket)
        if self.options.only:
            tools = [tool for tool in tools if tool.name in self.options.only.split(",")]
        for number in range(self.options.rounds):
            for tool in tools if number % 2 == 0 else reversed(tools):
                self.run(job, tool, bucket, sizes, ports, destination)
        if proxy:
            proxy.close()

    def plan_many(self) -> None:
        """How much a plan of a million keys takes: five collections of 10,000 segments with 20 logs each."""
        program = self.options.build / "tests" / "fake_cluster"
        with cluster(program, [5, 100, 2 if self.options.quick else 100, 20], None) as facts:
            work = self.base / "plan"
            work.mkdir()
            (work / "backup.yaml").write_text(config_text(facts, None))
            for _ in range(self.options.rounds):
                taken = measure(self.base / "peak.json", work, self.options.build / "milvus-backup", "--json", "copy",
                                f"s3://{BUCKET}/files", work / "elsewhere", "--dry-run")
                notes = json.loads(taken.stdout) if taken.status == 0 else {"error": taken.stderr[-500:]}
                self.runs.append(Run("f", "ours", "default", taken.wall_s, taken.cpu_s, taken.peak_mib,
                                     taken.status == 0, notes))

    def counts(self, source: str) -> None:
        """Requests and connections of every tool, counted at the relay without delay."""
        bucket, sizes = self.fill(source)
        for tool in self.tools(source, False):
            proxy = DelayProxy(self.options.build / "bench" / "delay_proxy", 0, self.source, self.destination)
            run = self.run(f"{source} counted", tool, bucket, sizes, (proxy.ports[0], proxy.ports[1]))
            for name, route in zip(("source", "destination"), proxy.close()):
                run.notes[name] = {"connections": route["connections"], "requests": route["requests"]}
            print(f"  {tool.name} {tool.setting}: {run.notes}", file=sys.stderr)


def versions(options: argparse.Namespace) -> Iterator[str]:
    """The machine and the programs."""
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), "unknown")
    yield f"{os.cpu_count()} cores, {model}, Linux {os.uname().release}"
    programs = [[options.build / "milvus-backup", "--version"], ["curl", "--version"], ["openssl", "version"],
                [mc_program(), "--version"], [installed("minio") / "minio", "--version"]]
    for program in programs + ([[options.rclone, "version"]] if options.rclone else []):
        with contextlib.suppress(OSError):
            shown = subprocess.run(program, capture_output=True, text=True, check=False).stdout
            yield shown.partition("\n")[0]


def counted(runs: list[Run]) -> Iterator[str]:
    """Requests and connections, one row per job and tool."""
    yield "| job | tool | requests per object, source and destination | connections, source and destination | workers |"
    yield "|---|---|---|---|---|"
    for run in runs:
        if not run.job.endswith(" counted"):
            continue
        sides = [run.notes[name] for name in ("source", "destination")]
        requests = ", ".join(f"{sum(side['requests'].values()) / run.notes['held']:.2f}" for side in sides)
        connections = ", ".join(str(side["connections"]) for side in sides)
        yield f"| {run.job[0]} | {run.tool} | {requests} | {connections} | {run.notes.get('workers', '')} |"


def table(runs: list[Run]) -> Iterator[str]:
    """One row per tool and setting, ratios to ours."""
    yield "| job | tool | setting | wall s | CPU s | peak MiB | wall / ours | CPU / ours | rounds (wall s) |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for job in dict.fromkeys(run.job for run in runs if not run.job.endswith(" counted")):
        groups: dict[tuple[str, str], list[Run]] = {}
        for run in runs:
            if run.job == job:
                groups.setdefault((run.tool, run.setting), []).append(run)
        ours = groups.get(("ours", "default"))
        for (tool, setting), group in groups.items():
            wall, cpu, peak = (statistics.median(getattr(run, name) for run in group)
                               for name in ("wall_s", "cpu_s", "peak_mib"))
            wrong = "" if all(run.right for run in group) else " WRONG"
            ratios = "– | –"
            if ours:
                ratios = (f"{wall / statistics.median(run.wall_s for run in ours):.2f} | "
                          f"{cpu / max(1e-9, statistics.median(run.cpu_s for run in ours)):.2f}")
            rounds = " ".join(f"{run.wall_s:.2f}" for run in group)
            yield f"| {job} | {tool} | {setting}{wrong} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {ratios} | {rounds} |"


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--jobs", default="a,b,c,d,f,g,b+20,c+20,b+80,c+80")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rclone", help="the rclone program; without it rclone is left out")
    parser.add_argument("--only", help="tools to run, such as ours,mc")
    parser.add_argument("--defaults", action="store_true", help="every tool as it comes, without the grids")
    parser.add_argument("--quick", action="store_true", help="smaller jobs")
    parser.add_argument("--raw", type=Path, help="write every run as a line of JSON")
    options = parser.parse_args()
    options.build = options.build.absolute()
    if options.rclone:
        options.rclone = str(Path(options.rclone).absolute())
    exit_on_signals()
    bench = Bench(options)
    try:
        with bench.source, bench.destination:
            for job in options.jobs.split(","):
                if job in ("a", "b", "c", "d"):
                    bench.job(job, job)
                    bench.counts(job)
                elif job == "f":
                    bench.plan_many()
                elif job == "ways":
                    bench.ways()
                elif job == "g":
                    bench.job(job, "d", inside=True)
                elif job[0] in "bc" and job[1:] in ("+20", "+80"):
                    bench.job(f"{job} ms", job[0], int(job[2:]))
                else:
                    raise SystemExit(f"no such job: {job}")
    finally:
        shutil.rmtree(bench.base, ignore_errors=True)
    if options.raw:
        options.raw.write_text("".join(json.dumps(asdict(run)) + "\n" for run in bench.runs))
    print("\n".join([*versions(options), "", *table(bench.runs), "", *counted(bench.runs)]))
    return 0 if all(run.right for run in bench.runs) else 1


if __name__ == "__main__":
    sys.exit(main())
