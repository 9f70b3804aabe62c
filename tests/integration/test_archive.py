"""`export` piped into `import` between two sites, and what both say when something is wrong."""

from __future__ import annotations

import json
import subprocess
import tarfile

from rows import Row, compare_partitions, dropped_after, read_by_partition
from servers import MinioServer
from stores import leftovers
from tool import Tool

FAILED, USAGE, MISSING, EXISTS, INTEGRITY = 1, 2, 10, 11, 20


def test_a_backup_goes_through_a_pipe_and_is_restored(
    at_both: Tool, alias_b: str, minio_b: MinioServer, coll_rows: dict[str, dict[int, Row]]
) -> None:
    at_both.succeed("--config", "a.yaml", "create", "-c", "coll", "-n", "to_pipe")
    with subprocess.Popen(
        [at_both.program, "--config", "a.yaml", "export", "-n", "to_pipe", "-o", "-"],
        cwd=at_both.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as export:
        imported = subprocess.run(
            [at_both.program, "--config", "b.yaml", "--json", "import", "-"],
            cwd=at_both.folder,
            stdin=export.stdout,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert export.stdout is not None and export.stderr is not None
        export.stdout.close()
        said = export.stderr.read().decode()
    assert (export.returncode, imported.returncode) == (0, 0), (said, imported)
    assert "exported to_pipe to -" in said
    report = json.loads(imported.stdout)
    assert report["manifest"] and report["objects"] > 0
    assert leftovers(minio_b) == []
    at_both.succeed("--config", "b.yaml", "verify", "-n", "to_pipe", "--deep")
    with dropped_after(alias_b, "coll_piped"):
        at_both.succeed("--config", "b.yaml", "restore", "-n", "to_pipe", "-s", "_piped", "--rebuild_index")
        assert compare_partitions(coll_rows, read_by_partition(alias_b, "coll_piped")) is None
    again = at_both.run("--config", "a.yaml", "export", "-n", "to_pipe", "-o", "to_pipe.tar")
    assert again.status == 0 and "exported to_pipe" in again.stdout, again
    taken = at_both.run("--config", "b.yaml", "import", "to_pipe.tar")
    assert taken.status == EXISTS and "already exists" in taken.stderr, taken
    at_both.succeed("--config", "b.yaml", "delete", "-n", "to_pipe")
    check_damage(at_both, minio_b)
    at_both.succeed("--config", "a.yaml", "delete", "-n", "to_pipe")


def check_damage(tool: Tool, minio_b: MinioServer) -> None:
    """Flip the last byte of one log of `to_pipe.tar`, then cut the file; nothing is left of either."""
    path = tool.folder / "to_pipe.tar"
    with tarfile.open(path) as archive:
        names = archive.getnames()
        log = next(member for member in archive if "/binlogs/" in member.name and member.size > 0)
    assert names[0] == "milvus-backup.json" and names[-1] == "to_pipe/meta/backup_meta.json"
    sound = bytearray(path.read_bytes())
    flipped = bytearray(sound)
    flipped[log.offset_data + log.size - 1] ^= 1
    for content, named in ((flipped, log.name.removeprefix("to_pipe/")), (sound[:-4096], "backup_meta.json")):
        path.write_bytes(content)
        refused = tool.run("--config", "b.yaml", "import", "to_pipe.tar", "-n", "damaged")
        assert refused.status == INTEGRITY, refused
        assert not [key for key in minio_b.client.keys(minio_b.bucket, "backup/damaged")]
        errors = [line for line in refused.stderr.splitlines() if line.startswith("Error: ")]
        assert len(errors) == 1 and (named in errors[0] or "cut short" in errors[0] or "damaged" in errors[0]), refused
    path.unlink()


def test_refusals_are_one_line_each(at_both: Tool) -> None:
    (at_both.folder / "there.tar").write_text("mine")
    for arguments, status, text in (
        (("export", "-n", "nothing", "-o", "x.tar"), MISSING, "nothing"),
        (("export", "-n", "nothing", "-o", "x.zip"), USAGE, ".tar.zst"),
        (("export", "-n", "nothing", "-o", "x.tar", "--compression", "xz"), USAGE, "--compression"),
        (("export", "-n", "nothing", "-o", "there.tar"), EXISTS, "--overwrite"),
        (("import", "missing.tar"), MISSING, "missing.tar"),
        (("import", "there.tar"), INTEGRITY, "no archive"),
        (("import", "there.tar", "-n", "a/b"), USAGE, "a/b"),
    ):
        refused = at_both.run("--config", "a.yaml", *arguments)
        assert (refused.status, text in refused.stderr) == (status, True), (arguments, refused)
    assert (at_both.folder / "there.tar").read_text() == "mine"
    assert not list(at_both.folder.glob("x.*"))
