"""`copy` between MinIO, versitygw, moto and a directory, and a backup that is copied and restored at the other site."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
from copying import BucketPlace, DiskPlace, Place, config_of, fill, sample_backup, sample_tree
from rows import Row, compare_partitions, dropped_after, read_by_partition
from servers import MinioServer, MotoServer, VersityGw
from stores import leftovers
from tool import Tool, finish

USAGE, SOME_FAILED, BAD_CONFIG, MISSING, EXISTS, UNREACHABLE = 2, 3, 4, 10, 11, 13
KINDS = ("minio", "versity", "moto", "disk")


@pytest.fixture(scope="module")
def places(minio_a: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    """One storage of every kind."""
    with VersityGw("bucket-v") as versity, MotoServer("bucket-m") as moto:
        yield {
            "minio": BucketPlace("minio", minio_a),
            "versity": BucketPlace("versity", versity),
            "moto": BucketPlace("moto", moto),
            "disk": DiskPlace("disk", tmp_path_factory.mktemp("disk")),
        }


@pytest.fixture
def tool(cli: Tool, places: dict[str, Place]) -> Tool:
    """The program with all of them below `storages:`."""
    cli.write_config("backup.yaml", config_of(*places.values()))
    return cli


@pytest.fixture(scope="module")
def trees(places: dict[str, Place]) -> dict[str, str]:
    """The same tree in every storage, below `src`."""
    sums = [fill(place, "src", sample_tree(1)) for place in places.values()]
    assert all(one == sums[0] for one in sums)
    return sums[0]


@pytest.mark.parametrize(("source", "destination"), itertools.product(KINDS, KINDS))
def test_copies_in_every_direction(
    tool: Tool, places: dict[str, Place], trees: dict[str, str], source: str, destination: str
) -> None:
    target = f"from-{source}/tree"
    arguments = ("copy", places[source].location("src"), places[destination].location(target))
    report = json.loads(tool.succeed("--json", *arguments).stdout)
    assert places[destination].tree(target) == trees
    assert places[source].tree("src") == trees
    assert report["objects"] == len(trees) and report["failures"] == []
    assert places[destination].uploads() == []
    if source == destination:
        assert report["server_side_objects"] == len(trees)
    again = json.loads(tool.succeed("--json", *arguments).stdout)
    assert (again["objects"], again["kept_objects"]) == (0, len(trees))


def test_a_backup_goes_by_name(tool: Tool, places: dict[str, Place]) -> None:
    sums = fill(places["versity"], "backup/b", sample_backup("x"))
    shown = tool.succeed("copy", "-n", "b", "--from", "versity", "--to", "disk")
    assert shown.stdout.splitlines()[0] == "backup b: copied"
    assert places["disk"].tree("backup/b") == sums
    assert "already there" in tool.succeed("copy", "-n", "b", "--from", "versity", "--to", "disk").stdout
    tool.succeed("copy", "-n", "b", "--from", "disk", "--to", "moto", "--as", "other")
    assert places["moto"].tree("backup/other") == sums
    listed = tool.succeed("--set", "minio.backupRootPath=" + places["disk"].location("backup"), "list")
    assert "b" in listed.stdout.splitlines()

    fill(places["versity"], "backup/b2", sample_backup("y", parts=0))
    fill(places["versity"], "backup/broken/binlogs/insert_log/1", {"2": b"3"})
    everything = tool.succeed("--json", "copy", "--all", "--from", "versity", "--to", "disk")
    report = json.loads(everything.stdout)
    assert [(one["name"], one["outcome"]) for one in report["backups"]] == [("b", "already there"), ("b2", "copied")]
    assert [one["name"] for one in report["left_out"]] == ["broken"]

    places["versity"].put("backup/b2/meta/full_meta.json", b'{"another":1}')
    refused = tool.run("copy", "-n", "b2", "--from", "versity", "--to", "disk")
    assert refused.status == EXISTS and "--overwrite" in refused.stderr
    tool.succeed("copy", "-n", "b2", "--from", "versity", "--to", "disk", "--overwrite")
    assert places["disk"].tree("backup/b2") == places["versity"].tree("backup/b2")
    assert not any(path.name == ".locks" for path in Path(places["disk"].location("backup")).iterdir())


def test_what_cannot_be_copied_is_said_in_one_line(tool: Tool, places: dict[str, Place], trees: dict[str, str]) -> None:
    source = places["minio"].location("src")
    before = places["minio"].tree("src")
    cases = (
        (("minos:bucket-a/src", "/tmp/x"), USAGE, "no storage is called 'minos'"),
        (("minio:", "/tmp/x"), USAGE, "names no bucket"),
        (("gs://b/x", "/tmp/x"), USAGE, "no scheme gs://"),
        (("minio:bucket-a/../x", "/tmp/x"), USAGE, "'..'"),
        (("minio:no-such-bucket/src", "/tmp/x"), UNREACHABLE, "no-such-bucket"),
        (("minio:bucket-a/nothing", "/tmp/x"), MISSING, "nothing is to be copied"),
        ((source, source), USAGE, "the same place"),
        ((source, source + "/deeper"), USAGE, "lies inside the source"),
        ((source, "twin:bucket-a/src"), USAGE, "the same place"),
        ((source, "twin:bucket-a"), USAGE, "lies inside the destination"),
        (("s3://bucket/x", "/tmp/x"), USAGE, "is a directory"),
    )
    twin = BucketPlace("twin", places["minio"].server).settings()  # type: ignore[attr-defined]
    tool.write_config("backup.yaml", config_of(*places.values()) + twin.replace("127.0.0.1", "localhost"))
    for arguments, status, text in cases:
        finished = tool.run("copy", *arguments)
        assert (finished.status, text in finished.stderr) == (status, True), (arguments, finished)
        errors = [line for line in finished.stderr.splitlines() if line.startswith("Error: ")]
        assert len(errors) == 1, finished
    assert places["minio"].tree("src") == before
    link = tool.folder / "link"
    link.symlink_to(places["disk"].location("src"))
    same = tool.run("copy", places["disk"].location("src"), str(link))
    assert same.status == USAGE and "the same place" in same.stderr


def test_one_directory_under_two_names_is_noticed(
    tool: Tool, places: dict[str, Place], trees: dict[str, str], tmp_path: Path
) -> None:
    source = places["disk"].location("src")
    mount, part, neighbour = tmp_path / "mount", tmp_path / "a part", tmp_path / "neighbour"
    with contextlib.ExitStack() as mounted:
        for directory, point in ((source, mount), (source + "/many", part), (source + "/large", neighbour)):
            point.mkdir()
            if subprocess.run(["mount", "--bind", directory, str(point)], capture_output=True).returncode != 0:
                pytest.skip("needs the right to mount")
            mounted.callback(subprocess.run, ["umount", str(point)], check=True)
        for arguments, text in (
            ((source, str(mount)), "are one directory"),
            ((source, str(mount / "deeper")), "lies inside the source"),
            ((source + "/many", str(mount)), "lies inside the destination"),
            ((source, str(part)), "by way of what is mounted there"),
            ((source, str(part / "deeper")), "by way of what is mounted there"),
            ((str(part), source), "by way of what is mounted there"),
            ((str(tmp_path), source + "/a"), "by way of what is mounted there"),
        ):
            refused = tool.run("copy", *arguments, "--overwrite", "--delete-extra")
            assert (refused.status, text in refused.stderr) == (USAGE, True), refused
        planned = tool.succeed("--json", "copy", str(part), str(neighbour), "--dry-run")
        assert json.loads(planned.stdout)["objects"] == len([key for key in trees if key.startswith("many/")])
    assert places["disk"].tree("src") == trees
    # A gateway shows a directory as a bucket.
    gateway = places["versity"]
    directory = gateway.server.data / gateway.server.bucket  # type: ignore[attr-defined]
    refused = tool.run("copy", gateway.location("src"), str(directory / "src"), "--overwrite")
    assert refused.status == USAGE and "the same place" in refused.stderr, refused
    assert gateway.tree("src") == trees


def test_a_missing_bucket_is_made_at_the_destination_only(tool: Tool, places: dict[str, Place]) -> None:
    planned = tool.succeed("copy", places["disk"].location("src"), "minio:bucket-new/x", "--dry-run")
    assert "would make" in planned.stdout
    made = tool.succeed("copy", places["disk"].location("src"), "minio:bucket-new/x")
    assert "made s3://bucket-new" in made.stdout
    assert json.loads(tool.succeed("--json", "copy", "minio:bucket-new/x", "other").stdout)["failures"] == []
    assert DiskPlace("other", tool.folder).tree("other") == places["disk"].tree("src")


def test_limits_are_kept(tool: Tool, places: dict[str, Place], trees: dict[str, str]) -> None:
    flags = ("--bwlimit", "200M", "--request-limit", "2000", "--memory", "16M", "--part-size", "5MiB")
    tool.succeed("copy", places["minio"].location("src"), places["disk"].location("limited"), *flags, "--no-check",
                 "--concurrency", "3", "--exclude", "many")
    assert places["disk"].tree("limited") == {key: sum_ for key, sum_ in trees.items() if not key.startswith("many/")}


def test_many_small_objects_at_once_need_few_threads(tool: Tool, places: dict[str, Place]) -> None:
    sums = fill(places["minio"], "many", {f"{i % 7}/{i:04}": os.urandom(3000 + i) for i in range(1500)})
    arguments = ("--json", "copy", places["minio"].location("many"), places["versity"].location("many"))
    most = 0
    with tool.started(*arguments, "--concurrency", "100") as process:
        with contextlib.suppress(FileNotFoundError):
            while process.poll() is None:
                found = re.search(r"^Threads:\s*(\d+)$", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
                most = max(most, int(found.group(1)) if found else 0)
        report = json.loads(finish(process).stdout)
    assert (report["objects"], report["failures"]) == (len(sums), [])
    # Event loops, the main thread, those of the listing, the lock and the progress.
    assert 1 < most < 20 < report["workers"] <= 100
    assert places["versity"].tree("many") == sums


def test_a_copied_backup_is_restored_at_the_other_site(
    at_both: Tool,
    alias_b: str,
    minio_a: MinioServer,
    minio_b: MinioServer,
    coll_rows: dict[str, dict[int, Row]],
) -> None:
    at_both.succeed("--config", "a.yaml", "create", "-c", "coll", "-n", "to_copy")
    at_both.succeed("--config", "a.yaml", "copy", "-n", "to_copy", "--to", "site_b")
    assert leftovers(minio_b) == []
    with dropped_after(alias_b, "coll_copied"):
        at_both.succeed("--config", "b.yaml", "restore", "-n", "to_copy", "-s", "_copied", "--rebuild_index")
        assert compare_partitions(coll_rows, read_by_partition(alias_b, "coll_copied")) is None
    at_both.succeed("--config", "b.yaml", "delete", "-n", "to_copy")
    # Pulled under another name, and read in place by the name of its storage or its configuration.
    at_both.succeed("--config", "b.yaml", "copy", "-n", "to_copy", "--from-config", "a.yaml", "--as", "pulled")
    planned = at_both.succeed("--config", "b.yaml", "restore", "-n", "pulled", "-s", "_direct", "--dry-run")
    direct = ("--config", "b.yaml", "restore", "-n", "to_copy", "-s", "_direct")
    shown = at_both.succeed(*direct, "--from", "site_a", "--dry-run")
    assert planned.stdout.splitlines()[0].split(",")[0] == shown.stdout.splitlines()[0].split(",")[0]
    for flag, source in (("--from", "site_a"), ("--from-config", "a.yaml")):
        with dropped_after(alias_b, "coll_direct"):
            at_both.succeed(*direct, flag, source)
            assert compare_partitions(coll_rows, read_by_partition(alias_b, "coll_direct")) is None
        assert leftovers(minio_b) == [] and leftovers(minio_a) == []
    at_both.succeed("--config", "b.yaml", "delete", "-n", "pulled")
    # To a directory and back.
    on_disk = at_both.folder / "on_disk"
    at_both.succeed("--config", "a.yaml", "copy", "s3://bucket-a/backup/to_copy", str(on_disk))
    at_both.succeed("--config", "a.yaml", "copy", f"file://{on_disk}", "s3://bucket-a/backup/back")
    at_both.succeed("--config", "a.yaml", "verify", "-n", "back")
    for name in ("to_copy", "back"):
        at_both.succeed("--config", "a.yaml", "delete", "-n", name)
