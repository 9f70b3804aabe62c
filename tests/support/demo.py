"""The demo: move a collection from one Milvus to another on a different store, and compare every row.

    demo.py MILVUS_BACKUP

Starts two stores and two Milvus servers, fills collection `coll` of the first, backs it up and restores it into the
second Milvus twice: as `coll_bak` straight from the first store, and as `coll_copied` from a copy of the backup in the
second one. All three are read back. The last line is `rows identical`, or the exit status is not 0. Everything is
removed at the end; with KEEP=1 in the environment the servers stay, and what to try with them is printed.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from configs import backup_config
from rows import compare_partitions, connected, fill, read_by_partition
from servers import MilvusServer, MotoServer, NotInstalled, Server, ServerFailed, exit_on_signals


class DemoFailed(Exception):
    """A step went wrong; the message says which."""


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Print `title`, then how long the body took."""
    print(f"{title} ...", flush=True)
    started = time.monotonic()
    yield
    print(f"    {time.monotonic() - started:.1f} s", flush=True)


@dataclass(frozen=True)
class Tool:
    """The program under demonstration and the folder it runs in."""

    program: Path
    folder: Path

    def run(self, *arguments: str) -> None:
        """Run the program with `arguments`, showing the command and what it prints."""
        with step(shlex.join(["$ milvus-backup", *arguments]).replace("'", "")):
            status = subprocess.run([self.program, *arguments], cwd=self.folder, check=False).returncode
        if status != 0:
            raise DemoFailed(f"milvus-backup {arguments[2]} ended with status {status}")


@dataclass(frozen=True)
class Side:
    """One Milvus and the store it keeps its data on."""

    store: MotoServer
    milvus: MilvusServer


def start_side(stack: contextlib.ExitStack, letter: str) -> Side:
    """Start store and Milvus `letter`; `stack` ends them."""
    with step(f"start store {letter} and Milvus {letter}"):
        store = stack.enter_context(MotoServer(f"bucket-{letter.lower()}"))
        milvus = stack.enter_context(MilvusServer(store))
    print(f"    store http://{store.address}:{store.port}, Milvus {milvus.address}:{milvus.port}")
    return Side(store, milvus)


def move_and_compare(tool: Tool, side_a: Side, side_b: Side) -> None:
    """Fill A, back it up, restore it into B from A's store and from a copy; DemoFailed unless the rows are the same."""
    (tool.folder / "a.yaml").write_text(backup_config(side_a.milvus, side_a.store))
    (tool.folder / "b.yaml").write_text(backup_config(side_b.milvus, side_b.store))
    with connected(side_a.milvus) as alias_a, connected(side_b.milvus) as alias_b:
        with step("insert 20,000 rows into coll of Milvus A, in two partitions, and delete some"):
            filled = fill(alias_a, "coll", 20_000)
        tool.run("--config", "a.yaml", "create", "-c", "coll", "-n", "my_backup")
        tool.run("--config", "a.yaml", "list")
        restore = ("--config", "b.yaml", "restore", "-c", "coll", "-n", "my_backup", "--rebuild_index")
        tool.run(*restore, "-s", "_bak", "--from-config", "a.yaml")
        tool.run("--config", "a.yaml", "copy", "-n", "my_backup", "--to-config", "b.yaml")
        tool.run("--config", "b.yaml", "list")
        tool.run(*restore, "-s", "_copied")
        with step("read every column of every row of coll in A and of coll_bak and coll_copied in B"):
            expected = read_by_partition(alias_a, "coll")
            restored = [read_by_partition(alias_b, name) for name in ("coll_bak", "coll_copied")]
    counts = {partition: len(rows) for partition, rows in restored[0].items()}
    print(f"    {sum(counts.values())} rows, {counts}")
    if {partition: len(rows) for partition, rows in expected.items()} != filled.alive:
        raise DemoFailed(f"coll of Milvus A is not what was inserted: {filled.alive}")
    for found in restored:
        difference = compare_partitions(expected, found)
        if difference:
            raise DemoFailed(f"rows differ: {difference}")


def print_what_to_try(tool: Tool, servers: list[Server]) -> None:
    """Say how to use the servers that stay, and how to end them."""
    pids = " ".join(str(server.pid) for server in servers)
    folders = " ".join(str(folder) for folder in [tool.folder, *(server.folder for server in servers)])
    print(f"""
The servers stay. To try, in {tool.folder}:
    cd {tool.folder}
    {tool.program} --config a.yaml get -n my_backup
    {tool.program} --config a.yaml check
    {tool.program} --config b.yaml restore -c coll -n my_backup -s _again
    {tool.program} --config b.yaml copy -n my_backup --from-config a.yaml --as pulled
    {tool.program} --config a.yaml copy s3://bucket-a/backup/my_backup on_disk/my_backup
    {tool.program} --config a.yaml delete -n my_backup
To stop and remove them:
    kill -9 {pids}; rm -rf {folders}
""")


def run_demo(program: Path, keep: bool) -> None:
    """Run all steps; with `keep`, leave the servers running once they are up, even when a later step fails."""
    folder = Path(tempfile.mkdtemp(prefix="mb-demo-"))
    tool = Tool(program, folder)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        side_a, side_b = start_side(stack, "A"), start_side(stack, "B")
        try:
            move_and_compare(tool, side_a, side_b)
        finally:
            if keep:
                stack.pop_all()
                servers = [side_a.milvus, side_a.store, side_b.milvus, side_b.store]
                for server in servers:
                    server.leave_running()
                print_what_to_try(tool, servers)


def main(arguments: list[str]) -> int:
    """Run the demo with the program named by the only argument."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    exit_on_signals()
    keep = os.environ.get("KEEP") == "1"
    Server.ends_with_parent = not keep
    started = time.monotonic()
    try:
        run_demo(Path(arguments[0]).absolute(), keep)
    except (DemoFailed, NotInstalled, ServerFailed, OSError) as error:
        print(f"demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"{time.monotonic() - started:.1f} s in all")
    print("rows identical")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
