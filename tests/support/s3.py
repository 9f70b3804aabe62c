"""A minimal S3 client: signature version 4 over the standard library, for what tests ask of a store.

It is independent of the client under test, and runs where boto3 is not installed.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.client
import ssl
import urllib.parse
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass


class S3Error(Exception):
    """A reply with a status of 300 or more; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


@dataclass(frozen=True)
class S3Client:
    """Path-style requests to one endpoint. `ca_file` turns TLS on."""

    address: str
    port: int
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    ca_file: str | None = None

    def create_bucket(self, bucket: str) -> None:
        """Create `bucket`; it is an error if it exists."""
        self._request("PUT", f"/{bucket}")

    def list_buckets(self) -> list[str]:
        """Names of all buckets."""
        page = ElementTree.fromstring(self._request("GET", "/"))
        return [node.text or "" for node in page.findall("{*}Buckets/{*}Bucket/{*}Name")]

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Store `body` under `key`."""
        self._request("PUT", f"/{bucket}/{key}", body=body)

    def get(self, bucket: str, key: str) -> bytes:
        """Body of the object `key`."""
        return self._request("GET", f"/{bucket}/{key}")

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object `key`; a missing one is no error."""
        self._request("DELETE", f"/{bucket}/{key}")

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """All keys that start with `prefix`, in order."""
        return list(self.sizes(bucket, prefix))

    def sizes(self, bucket: str, prefix: str = "") -> dict[str, int]:
        """Keys that start with `prefix`, in order, and the bytes of their objects."""
        found: dict[str, int] = {}
        token = ""
        while True:
            query = {"list-type": "2", "prefix": prefix}
            if token:
                query["continuation-token"] = token
            page = ElementTree.fromstring(self._request("GET", f"/{bucket}", query))
            for node in page.findall("{*}Contents"):
                found[node.findtext("{*}Key") or ""] = int(node.findtext("{*}Size") or 0)
            token = page.findtext("{*}NextContinuationToken") or ""
            if not token:
                return found

    def children(self, bucket: str, prefix: str) -> list[str]:
        """Keys and common prefixes one slash below `prefix`, of the first page."""
        page = ElementTree.fromstring(
            self._request("GET", f"/{bucket}", {"list-type": "2", "prefix": prefix, "delimiter": "/"})
        )
        nodes = page.findall("{*}Contents/{*}Key") + page.findall("{*}CommonPrefixes/{*}Prefix")
        return [node.text or "" for node in nodes]

    def uploads(self, bucket: str, prefix: str = "") -> list[str]:
        """Keys of multipart uploads that were started and neither completed nor aborted.

        MinIO tells of none unless `prefix` is a whole key.
        """
        query = {"uploads": ""} | ({"prefix": prefix} if prefix else {})
        page = ElementTree.fromstring(self._request("GET", f"/{bucket}", query))
        return [node.text or "" for node in page.findall("{*}Upload/{*}Key")]

    def unfinished_bytes(self, bucket: str) -> int:
        """Bytes of the parts of those uploads."""
        page = ElementTree.fromstring(self._request("GET", f"/{bucket}", {"uploads": ""}))
        total = 0
        for node in page.findall("{*}Upload"):
            key, upload = node.findtext("{*}Key") or "", node.findtext("{*}UploadId") or ""
            parts = ElementTree.fromstring(self._request("GET", f"/{bucket}/{key}", {"uploadId": upload}))
            total += sum(int(size.text or 0) for size in parts.findall("{*}Part/{*}Size"))
        return total

    def _request(self, method: str, path: str, query: dict[str, str] | None = None, body: bytes = b"") -> bytes:
        target = urllib.parse.quote(path)
        encoded_query = "&".join(
            f"{urllib.parse.quote(name, safe='')}={urllib.parse.quote(value, safe='')}"
            for name, value in sorted((query or {}).items())
        )
        headers = self._signed_headers(method, target, encoded_query, body)
        connection = self._connect()
        try:
            connection.request(method, f"{target}?{encoded_query}" if encoded_query else target, body, headers)
            reply = connection.getresponse()
            content = reply.read()
        finally:
            connection.close()
        if reply.status >= 300:
            raise S3Error(reply.status, f"{method} {path}: {content.decode(errors='replace')[:500]}")
        return content

    def _connect(self) -> http.client.HTTPConnection:
        if self.ca_file is None:
            return http.client.HTTPConnection(self.address, self.port, timeout=30)
        context = ssl.create_default_context(cafile=self.ca_file)
        return http.client.HTTPSConnection(self.address, self.port, timeout=30, context=context)

    def _signed_headers(self, method: str, target: str, query: str, body: bytes) -> dict[str, str]:
        now = datetime.datetime.now(datetime.timezone.utc)
        headers = {
            "host": f"{self.address}:{self.port}",
            "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
            "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
        }
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        request = "\n".join([method, target, query, lines, names, headers["x-amz-content-sha256"]])
        scope = f"{now:%Y%m%d}/{self.region}/s3/aws4_request"
        to_sign = "\n".join(
            ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(request.encode()).hexdigest()]
        )
        key = f"AWS4{self.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return headers
