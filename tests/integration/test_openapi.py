"""Requests made up from docs/openapi.json, right and wrong ones, sent to a server on a real Milvus."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from configs import backup_config
from servers import MilvusServer, MinioServer
from serving import serving
from tool import Tool

# What an answer must be; that a request fails is for the server to say.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "ignored_auth",
)


def test_no_request_breaks_the_server(cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer) -> None:
    """No 500, no hang, every answer as documented, nothing without the token; the server is well afterwards."""
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    seed = os.environ.get("MB_SEED") or str(random.randrange(2**32))
    # Backups of the whole Milvus that come of it lie by themselves.
    flags = ("--set", "server.token=s3cret", "--set", "minio.backupRootPath=made_up")
    with serving(cli, *flags, token="s3cret") as api:
        finished = subprocess.run(
            [Path(sys.executable).parent / "schemathesis", "run", f"{api.url}/openapi.json",
             "--header", "Authorization: Bearer s3cret", "--checks", ",".join(CHECKS),
             "--phases", "examples,coverage,fuzzing", "--max-examples", os.environ.get("MB_EXAMPLES", "10"),
             "--request-timeout", "60", "--seed", seed, "--generation-database", "none", "--no-color"],
            capture_output=True, text=True, timeout=1200, check=False, cwd=cli.folder,
        )  # fmt: skip
        assert finished.returncode == 0, f"seed {seed}\n{finished.stdout[-8000:]}\n{finished.stderr[-2000:]}"
        assert api.send("GET", "/hello") == (200, "Hello, This is backup service")
        assert api.process.poll() is None
