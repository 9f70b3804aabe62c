"""What tests look for in an object store, and in what a client sends to one."""

from __future__ import annotations

from servers import MinioServer

# The beginning of any request, for a `Gate` that counts them.
REQUEST = rb"(?:GET|HEAD|PUT|POST|DELETE) /"
_OF_A_RUN = ("restore-temp-", "/.locks/", "/meta/run.json", "milvus_backup_check_")


def leftovers(store: MinioServer) -> list[str]:
    """Keys in the bucket of `store` that belong to a run and not to a backup or to Milvus."""
    return [key for key in store.client.keys(store.bucket) if any(mark in f"/{key}" for mark in _OF_A_RUN)]
