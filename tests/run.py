#!/usr/bin/env python3
"""Builds and runs the tests and closes with one summary line.

    run.py [--repeat N] [--soak] [STAGE ...]

Stages: lint, asan, tsan (unit, and fault and conformance on real stores, under that sanitizer),
integration (the release build on real Milvus and MinIO). Without names these run. With --soak follow, once, the
integration tests that take minutes each, and fuzz: every fuzz target for MB_FUZZ_SECONDS (600), two at a time. A failing stage does not hide the later ones. Integration
runs beside the other stages. The exit status is 0 when nothing failed.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUPPORT = ROOT / "tests" / "support"


class Tally:
    """Counts of all stages."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self.skipped = 0

    def add(self, passed: int, failed: int, skipped: int = 0) -> None:
        self.passed += passed
        self.failed += failed
        self.skipped += skipped


def say(text: str) -> None:
    print(f"== {text}", flush=True)


def run(command: list[str], log: Path, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a command with its output in `log`; returns its status and output."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        status = subprocess.run(
            command, cwd=ROOT, stdout=sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})}, check=False,
        ).returncode
    return status, log.read_text(errors="replace")


def show(text: str, lines: int = 60) -> None:
    print("\n".join(text.splitlines()[-lines:]), flush=True)


def paths() -> dict[str, str]:
    """Where install.sh has put things."""
    printed = subprocess.run(
        ["sh", str(SUPPORT / "install.sh"), "paths"], check=True, capture_output=True, text=True
    ).stdout
    return dict(line.split("=", 1) for line in printed.splitlines())


def build(preset: str, targets: list[str], tally: Tally) -> bool:
    started = time.monotonic()
    log = ROOT / "build" / f"{preset}-build.log"
    # Afresh: a folder that another compiler was configured for would lose settings, such as the sanitizer.
    status, text = run(["cmake", "--fresh", "--preset", preset, "-DMB_BUILD_TESTS=ON"], log)
    if status == 0:
        status, text = run(["cmake", "--build", "--preset", preset, "--target", *targets], log)
    if status != 0:
        tally.add(0, 1)
        show(text)
        say(f"build {preset}: FAILED")
        return False
    say(f"build {preset}: {time.monotonic() - started:.0f} s")
    return True


def gtest(preset: str, program: str, tally: Tally, prefix: list[str] | None = None, shards: int = 1) -> None:
    """Run one GoogleTest program of a preset, its tests dealt out to `shards` processes side by side."""
    started = time.monotonic()
    binary = ROOT / "build" / preset / "tests" / program
    env = {
        "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1",
        "LSAN_OPTIONS": f"print_suppressions=0:suppressions={SUPPORT / 'lsan.supp'}",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        # A suppression names a library in the stack of the other access, which a short history has forgotten.
        "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:history_size=6:"
        f"suppressions={SUPPORT / 'tsan.supp'}",
        "GTEST_TOTAL_SHARDS": str(shards),
    }

    def run_shard(shard: int) -> tuple[int, str]:
        log = ROOT / "build" / f"{preset}-{program.replace('/', '-')}-{shard}.log"
        return run([*(prefix or []), str(binary)], log, {**env, "GTEST_SHARD_INDEX": str(shard)})

    with ThreadPoolExecutor(shards) as pool:
        finished = list(pool.map(run_shard, range(shards)))
    total = Tally()
    for status, text in finished:
        count = {word: 0 for word in ("PASSED", "FAILED", "SKIPPED")}
        for word, number in re.findall(r"\[ +(PASSED|FAILED|SKIPPED) +\] (\d+) tests?", text):
            count[word] = int(number)
        failed = count["FAILED"]
        if status != 0 and failed == 0:
            failed = 1  # it crashed, or a sanitizer spoke
        if count["PASSED"] == 0 and failed == 0:
            failed = 1  # a suite that runs nothing proves nothing
        total.add(count["PASSED"], failed, count["SKIPPED"])
        if failed:
            show(text, 150)
    tally.add(total.passed, total.failed, total.skipped)
    say(
        f"{preset} {program}: {total.passed} passed, {total.failed} failed, {total.skipped} skipped, "
        f"{time.monotonic() - started:.0f} s"
    )


def stage_sanitizer(preset: str, tally: Tally) -> None:
    # It counts allocations by an operator new of its own, which ThreadSanitizer has too.
    counts_memory = preset != "tsan"
    if not build(preset, ["unit_tests", "conformance_tests", "fault_tests", *["memory_tests"] * counts_memory], tally):
        return
    gtest(preset, "unit_tests", tally, shards=min(os.cpu_count() or 1, 4))
    if counts_memory:
        gtest(preset, "unit/meta/memory_tests", tally)
    servers = [
        paths()["venv"] + "/bin/python", str(SUPPORT / "servers.py"), "run",
        "--minio", "--minio-tls", "--versitygw", "--moto", "--",
    ]
    gtest(preset, "fault/fault_tests", tally, servers)
    gtest(preset, "conformance/conformance_tests", tally, servers)


def check(name: str, command: list[str], tally: Tally) -> None:
    started = time.monotonic()
    status, text = run(command, ROOT / "build" / f"lint-{name}.log")
    tally.add(int(status == 0), int(status != 0))
    if status != 0:
        show(text, 100)
    say(f"lint {name}: {'passed' if status == 0 else 'FAILED'}, {time.monotonic() - started:.0f} s")


def stage_lint(tally: Tally) -> None:
    files = subprocess.run(
        ["git", "ls-files", "*.h", "*.cc"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    check("format", ["clang-format", "--dry-run", "-Werror", *files], tally)
    check("includes", [sys.executable, "tests/lint/check_includes.py", "."], tally)
    check("compatibility", [sys.executable, "tests/lint/check_compatibility.py", "."], tally)
    check("compatibility-test", [sys.executable, "tests/lint/check_compatibility_test.py"], tally)
    check("shell", ["sh", "-n", "tests/support/install.sh"], tally)
    check("python", [sys.executable, "-m", "compileall", "-q", "tests", "bench"], tally)
    # The generated proto headers must exist before clang-tidy can read what includes them.
    if build("release", ["mb_milvus_proto"], tally):
        check("clang-tidy", [sys.executable, "tests/lint/clang_tidy.py", "build/release"], tally)


def integration(tally: Tally, soak: bool = False) -> None:
    """The integration tests on the release build as it is."""
    started = time.monotonic()
    title = "integration soak" if soak else "integration"
    status, text = run(
        [paths()["venv"] + "/bin/python", "-m", "pytest", "-q", "--durations=15", "tests/integration",
         # Each worker has its servers, and most of the time one waits for them.
         *(["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"] if not soak else []),
         *(["-m", "soak"] if soak else [])],
        ROOT / "build" / f"{title.replace(' ', '-')}.log",
        {"MB_SOAK": "1"} if soak else None,
    )

    def count(word: str) -> int:
        found = re.findall(rf"(\d+) {word}", text.splitlines()[-1] if text else "")
        return int(found[-1]) if found else 0

    passed, failed, skipped = count("passed"), count("failed") + count("errors?"), count("skipped")
    if status != 0 and failed == 0:
        failed = 1
    tally.add(passed, failed, skipped)
    if failed:
        show(text, 200)
    say(
        f"{title}: {passed} passed, {failed} failed, {skipped} skipped, "
        f"{time.monotonic() - started:.0f} s"
    )
    for path in sorted((ROOT / "build" / "figures").glob("*.json")) if soak else []:
        say(f"{path.stem}: {path.read_text()}")


FUZZ_TARGETS = (
    "InsertLog", "DeltaLog", "Parquet", "Values", "MetaJson", "Manifest", "ConfigYaml", "S3Xml", "Keys", "Faiss",
    "Hdf5",
)


def fuzz(target: str, seconds: int) -> tuple[str, int, str]:
    """Drive one target with libFuzzer; returns its name, status and what it printed."""
    folder = ROOT / "build" / "fuzz-corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    own = ROOT / "tests" / "fuzz" / "corpus" / re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", target).lower()
    seeds = [own] if own.is_dir() else [ROOT / "tests" / "data" / "backups", ROOT / "tests" / "data" / "binlog"]
    # The largest log of the golden backups has 40 kB; longer inputs only slow the search down.
    status, text = run(
        [str(ROOT / "build" / "fuzz" / "tests" / "fuzz" / f"fuzz_{target}"), str(folder), *map(str, seeds),
         f"-max_total_time={seconds}", "-max_len=65536", "-timeout=20", "-rss_limit_mb=2048",
         "-print_final_stats=1", f"-artifact_prefix={folder}-"],
        ROOT / "build" / f"fuzz-{target}.log",
        {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"},
    )
    return target, status, text


def stage_fuzz(tally: Tally) -> None:
    """Every parser of foreign bytes. What a target found lies in build/fuzz-corpus."""
    if not build("fuzz", [f"fuzz_{target}" for target in FUZZ_TARGETS], tally):
        return
    seconds = int(os.environ.get("MB_FUZZ_SECONDS", "600"))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for target, status, text in pool.map(lambda name: fuzz(name, seconds), FUZZ_TARGETS):
            runs = re.findall(r"stat::number_of_executed_units: (\d+)", text)
            covered = re.findall(r"cov: (\d+)", text)
            sound = status == 0 and bool(runs) and bool(covered)
            tally.add(int(sound), int(not sound))
            if not sound:
                show(text)
            say(
                f"fuzz {target}: {'nothing found' if sound else 'FAILED'} in {seconds} s, "
                f"{runs[-1] if runs else '?'} inputs, coverage {covered[-1] if covered else '?'} edges"
            )


STAGES: dict[str, Callable[[Tally], None]] = {
    "lint": stage_lint,
    "asan": lambda tally: stage_sanitizer("asan", tally),
    "tsan": lambda tally: stage_sanitizer("tsan", tally),
    "integration": integration,
    "fuzz": stage_fuzz,
}
DEFAULT_STAGES = ("lint", "asan", "tsan", "integration")


def run_stages(names: list[str], tally: Tally) -> None:
    """Run the stages named. The integration tests mostly wait for servers, so the others run beside them."""
    others = [name for name in names if name != "integration"]
    beside = Tally()

    def run_others() -> None:
        if len(others) < len(names):
            os.nice(10)  # on Linux of this thread alone and of its children: compilers give way to servers
        for name in others:
            STAGES[name](beside)

    built = len(others) == len(names) or build("release", ["milvus-backup"], tally)
    thread = threading.Thread(target=run_others)
    thread.start()
    if built and len(others) < len(names):
        integration(tally)
    thread.join()
    tally.add(beside.passed, beside.failed, beside.skipped)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=1, help="run everything this often")
    parser.add_argument("--soak", action="store_true", help="then run the long integration tests")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="by default all but fuzz")
    options = parser.parse_args()
    unknown = set(options.stages) - set(STAGES)
    if unknown:
        parser.error(f"unknown stages: {', '.join(sorted(unknown))}")
    tally = Tally()
    started = time.monotonic()
    given_seed = os.environ.get("MB_SEED")
    for _ in range(options.repeat):
        if options.soak:
            # Every round damages other backups in other places.
            os.environ["MB_SEED"] = given_seed or str(secrets.randbelow(2**32))
            os.environ.setdefault("MB_MUTATIONS", "125")
            say(f"MB_SEED={os.environ['MB_SEED']}")
        run_stages(options.stages or list(DEFAULT_STAGES), tally)
    if options.soak:
        if build("release", ["milvus-backup"], tally):
            integration(tally, soak=True)
        stage_fuzz(tally)
    say(f"{time.monotonic() - started:.0f} s in all")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped", flush=True)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
