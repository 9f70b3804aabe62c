"""Real servers for tests and the demo: MinIO, versitygw, moto, Milvus and Milvus Lite on free ports of 127.0.0.1.

Each class is a context manager: entering starts the server and waits until it answers, leaving ends it by pid and
removes its data. Servers also end when the process that started them ends, however that happens.

    servers.py run [--minio] [--minio-tls] [--versitygw] [--moto] -- COMMAND...

starts the servers asked for, runs COMMAND with their addresses in MB_TEST_<SERVER>_ADDRESS, _PORT, _ACCESS_KEY,
_SECRET_KEY, _REGION, _BUCKET (created and empty) and, for MINIO_TLS, _CA (a PEM file), and exits with its status.

    servers.py serve [--minio] [--minio-tls] [--versitygw] [--moto]

starts them, prints those variables as one line of JSON, and ends them when standard input closes or on SIGTERM.

Only the standard library is needed to import this module; the programs come from install.sh.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import ctypes
import functools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Iterator, Mapping, Self

from s3 import S3Client, S3Error

HOST = "127.0.0.1"
PR_SET_PDEATHSIG = 1
_SERVER_IDS = Path("/tmp/milvus")  # Milvus has this path built in
_LIBC = ctypes.CDLL(None)
_given_ports: set[int] = set()
_running: list["Server"] = []


class NotInstalled(Exception):
    """A program that install.sh provides is missing; the message says which verb installs it."""


class ServerFailed(Exception):
    """A server ended early or never became ready; the message ends with the last lines of its log."""


@functools.cache
def installed_paths() -> dict[str, Path]:
    """Where install.sh puts each program."""
    script = Path(__file__).with_name("install.sh")
    lines = subprocess.run(["sh", script, "paths"], check=True, capture_output=True, text=True).stdout.splitlines()
    return {name: Path(path) for name, path in (line.split("=", 1) for line in lines)}


def installed(name: str, verb: str = "servers-test") -> Path:
    """Folder of the program `name`, which `install.sh verb` installs."""
    folder = installed_paths()[name]
    if not (folder / ".complete").exists():
        raise NotInstalled(f"{name} is not installed; run: sh tests/support/install.sh {verb}")
    return folder


def mc_program() -> Path:
    """The MinIO client program."""
    return installed("mc") / "mc"


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, outside the range the kernel takes for outgoing connections, never given twice."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.randint(15000, 31999)
        with socket.socket() as probe:
            if port in _given_ports or probe.connect_ex((HOST, port)) == 0:
                continue
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        _given_ports.add(port)
        ports.append(port)
    return ports


def exit_on_signals() -> None:
    """Turn SIGTERM and SIGHUP into SystemExit and SIGINT into KeyboardInterrupt, so that all clean-up runs."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell starts with it ignored


def _end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(frozen=True)
class Certificates:
    """PEM files: an own authority, a server certificate for 127.0.0.1 and localhost, and a client certificate."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


def make_certificates(folder: Path) -> Certificates:
    """Create an authority and the certificates it signs under `folder`, with openssl."""
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority")
    (folder / "san.cnf").write_text(f"subjectAltName=DNS:localhost,IP:{HOST}\n")
    for name in ("server", "client"):
        openssl("req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-out", f"{name}.pem", "-days", "2", "-extfile", "san.cnf"),
        )
    files = ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")
    return Certificates(*(folder / name for name in files))


class Server:
    """One server process, its folder and its log. Subclasses say how to start it and when it is ready."""

    name = "server"
    start_timeout_s = 30.0
    ends_with_parent = True

    def __init__(self, base: Path | None = None) -> None:
        """`base` is where the temporary folder of the server goes: TMPDIR unless told otherwise, e.g. /dev/shm."""
        self.folder = Path(tempfile.mkdtemp(prefix=f"mb-test-{self.name}-", dir=base))
        self.log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        _running.append(self)

    def command(self) -> list[str | Path]:
        """The command line of the server."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """Variables the server gets besides those of this process."""
        return {}

    def ready(self) -> bool:
        """Whether the server answers now."""
        raise NotImplementedError

    def after_start(self) -> None:
        """Called each time the server has become ready."""

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self._process is None:
            raise ServerFailed(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> Self:
        """Start the server and wait until it is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent if self.ends_with_parent else None,
            )
        try:
            self._wait_ready()
            self.after_start()
        except BaseException:
            self.stop()
            raise
        return self

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would; its data stays. Repeating it is no error."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def revive(self) -> bool:
        """Start the server again if it has ended by itself, or is about to; whether it had."""
        if self._process is None or self.ready():
            return False
        self.restart()
        return True

    def restart(self) -> None:
        """Kill the server and start it again with the same data on the same ports."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """End the server and remove its folder. Repeating it is no error."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self in _running:
            _running.remove(self)

    def leave_running(self) -> None:
        """Do not end the server with this process; `ends_with_parent` must have been False at the start."""
        _running.remove(self)

    def log_tail(self, lines: int = 30) -> str:
        """The last lines the server wrote to its output."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + self.start_timeout_s
        while not self.ready():
            assert self._process is not None
            status = self._process.poll()
            if status is not None:
                raise ServerFailed(f"{self.name} ended with status {status}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"{self.name} not ready in {self.start_timeout_s:.0f} s:\n{self.log_tail()}")
            time.sleep(0.05)


@atexit.register
def stop_all() -> None:
    """End every server this process has started."""
    for server in list(_running):
        server.stop()


def answers(url: str, expected: str = "") -> bool:
    """Whether a GET of `url` succeeds at once with `expected` in the body."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return expected in reply.read().decode(errors="replace")
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def accepts(port: int) -> bool:
    """Whether something listens on `port`."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


class S3Server(Server):
    """A server that speaks S3. `bucket` is created at the first start."""

    access_key = "test-access"
    secret_key = "test-secret-key"
    region = "us-east-1"
    ca_file: Path | None = None

    def __init__(self, bucket: str = "test-bucket", base: Path | None = None) -> None:
        super().__init__(base)
        self.address = HOST
        self.port = free_ports(1)[0]
        self.bucket = bucket
        self.data = self.folder / "data"
        self.data.mkdir()
        self._bucket_made = False

    @property
    def use_ssl(self) -> bool:
        """Whether the server speaks TLS."""
        return self.ca_file is not None

    @property
    def client(self) -> S3Client:
        """A client with the server's own credentials."""
        ca_file = str(self.ca_file) if self.ca_file else None
        return S3Client(self.address, self.port, self.access_key, self.secret_key, self.region, ca_file)

    def ready(self) -> bool:
        try:
            self.client.list_buckets()
        except (S3Error, OSError):
            return False
        return True

    def after_start(self) -> None:
        if not self._bucket_made:
            self.client.create_bucket(self.bucket)
            self._bucket_made = True

    def variables(self) -> dict[str, str]:
        """How to reach the server, by the last part of the name of the environment variable."""
        facts = {
            "ADDRESS": self.address,
            "PORT": str(self.port),
            "ACCESS_KEY": self.access_key,
            "SECRET_KEY": self.secret_key,
            "REGION": self.region,
            "BUCKET": self.bucket,
        }
        return facts | ({"CA": str(self.ca_file)} if self.ca_file else {})


class MinioServer(S3Server):
    """MinIO on one folder; with `tls`, under a certificate of its own authority (`ca_file`)."""

    name = "minio"
    access_key = "minioadmin"
    secret_key = "minioadmin"

    def __init__(
        self,
        bucket: str = "test-bucket",
        base: Path | None = None,
        *,
        tls: bool = False,
        region: str = "us-east-1",
        access_key: str = "minioadmin",
        secret_key: str = "minioadmin",
    ) -> None:
        self._program = self.program()
        super().__init__(bucket, base)
        self.region = region
        self.access_key = access_key
        self.secret_key = secret_key
        self._certs = self.folder / "certs"
        self._certs.mkdir()
        if tls:
            made = make_certificates(self.folder / "authority")
            shutil.copy(made.server, self._certs / "public.crt")
            shutil.copy(made.server_key, self._certs / "private.key")
            self.ca_file = made.ca

    @staticmethod
    def program() -> Path:
        """The server program."""
        return installed("minio") / "minio"

    def command(self) -> list[str | Path]:
        server = [self._program, "server", "--quiet", "--address", f"{HOST}:{self.port}"]
        return server + ["--certs-dir", self._certs, self.data]

    def environment(self) -> Mapping[str, str]:
        return {
            "MINIO_ROOT_USER": self.access_key,
            "MINIO_ROOT_PASSWORD": self.secret_key,
            "MINIO_SITE_REGION": self.region,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            "MINIO_CI_CD": "on",  # a data folder on the root disk is allowed
        }


class VersityGw(S3Server):
    """versitygw over a plain folder: an S3 implementation that shares no code with MinIO."""

    name = "versitygw"

    def __init__(self, bucket: str = "test-bucket", base: Path | None = None) -> None:
        self._program = self.program()
        super().__init__(bucket, base)
        self._attributes = self.folder / "attributes"
        self._attributes.mkdir()

    @staticmethod
    def program() -> Path:
        """The server program."""
        return installed("versitygw") / "versitygw"

    def command(self) -> list[str | Path]:
        gateway = [self._program, "--quiet", "--port", f"{HOST}:{self.port}"]
        return gateway + ["--region", self.region, "posix", "--sidecar", self._attributes, self.data]

    def environment(self) -> Mapping[str, str]:
        return {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}


class MotoServer(S3Server):
    """moto's S3, kept in memory: a restart empties it, and it accepts any key."""

    name = "moto"

    def __init__(self, bucket: str = "test-bucket", base: Path | None = None) -> None:
        self._program = self.program()
        super().__init__(bucket, base)

    @staticmethod
    def program() -> Path:
        """The server program."""
        return installed("venv", "servers-demo") / "bin" / "moto_server"

    def command(self) -> list[str | Path]:
        return [self._program, "-H", HOST, "-p", str(self.port)]

    def kill(self) -> None:
        super().kill()
        self._bucket_made = False


def set_yaml_values(text: str, values: Mapping[str, str], optional: Mapping[str, str] | None = None) -> str:
    """Replace the values of dotted keys in YAML that is indented by two; a list below such a key goes.

    A key of `values` that is absent is an error, one of `optional` is left out.
    """
    wanted = {**(optional or {}), **values}
    missing = set(values)
    path: list[str] = []
    lines: list[str] = []
    replaced = False
    for line in text.splitlines():
        if replaced and re.match(r"^ *- ", line):
            continue
        replaced = False
        match = re.match(r"^( *)(\w+):", line)
        if match:
            path[len(match[1]) // 2 :] = [match[2]]
            key = ".".join(path)
            if key in wanted:
                line = f"{match[0]} {wanted[key]}"
                missing.discard(key)
                replaced = True
        lines.append(line)
    if missing:
        raise KeyError(f"not in the configuration template: {', '.join(sorted(missing))}")
    return "\n".join(lines) + "\n"


class MilvusServer(Server):
    """Milvus standalone with its own etcd, over `storage` or, without one, over its local disk.

    `version` is one that install.sh has installed, 2.2 or 2.3; the tests' usual one when it is not named.
    With `auth` it asks for user root, password Milvus. `tls_mode` is 0 plain, 1 server certificate, 2 both sides;
    the certificates are in `certificates`. `settings` overrides dotted keys of milvus.yaml.
    Its gRPC ports accept connections from other hosts too: Milvus has no setting for the address to listen on.
    Its data is in `storage.bucket` under `root_path`, or on local disk under `local_root`.
    """

    name = "milvus"
    start_timeout_s = 90.0
    _PORT_KEYS = ("rootCoord", "proxy", "queryCoord", "queryNode", "indexNode", "dataCoord", "dataNode")

    def __init__(
        self,
        storage: S3Server | None = None,
        base: Path | None = None,
        *,
        bucket: str | None = None,
        root_path: str = "files",
        auth: bool = False,
        tls_mode: int = 0,
        version: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._installation = self.installation(version)
        super().__init__(base)
        self.storage = storage
        self.bucket = bucket or (storage.bucket if storage else "")
        self.root_path = root_path
        self.local_root = self.folder / "data"
        self.address = HOST
        *ports, internal, index_coord, self._etcd_port, self._etcd_peer_port, self.management_port = free_ports(12)
        self._ports = dict(zip(self._PORT_KEYS, ports))
        self.port = self._ports["proxy"]
        self.user, self.password = ("root", "Milvus") if auth else ("", "")
        self.certificates = make_certificates(self.folder / "certs") if tls_mode else None
        values = {f"{part}.port": str(port) for part, port in self._ports.items()}
        values |= {"proxy.internalPort": str(internal), "common.security.tlsMode": str(tls_mode)}
        values |= {"common.security.authorizationEnabled": str(auth).lower()}
        of_some_versions = {f"{part}.ip": HOST for part in self._ports}
        of_some_versions |= {"indexCoord.port": str(index_coord), "log.stdout": "true", "log.level": "info"}
        self._write_configuration(values | self._storage_values() | (settings or {}), of_some_versions)

    @property
    def uri(self) -> str:
        """Address for pymilvus."""
        return f"{'https' if self.certificates else 'http'}://{self.address}:{self.port}"

    def command(self) -> list[str | Path]:
        return [self._installation / "bin" / "milvus", "run", "standalone"]

    def environment(self) -> Mapping[str, str]:
        return {
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self.management_port),
            "MILVUS_RUN_DIR": str(self.folder / "run"),
            "MILVUSCONF": str(self.folder / "configs"),
            "ETCD_CONFIG_PATH": str(self.folder / "configs" / "etcd.yaml"),
            "LD_LIBRARY_PATH": str(self._installation / "bin"),
        }

    def ready(self) -> bool:
        return answers(f"http://{HOST}:{self.management_port}/healthz", "OK") and accepts(self.port)

    def kill(self) -> None:
        pid = self._process.pid if self._process else 0
        super().kill()
        (_SERVER_IDS / f"server_id_{pid}").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another Milvus has its file there
            _SERVER_IDS.rmdir()

    @staticmethod
    def installation(version: str | None = None) -> Path:
        """Folder of the server's program and configuration template."""
        default = installed("milvus", "servers-demo")
        folder = default if version is None else default.with_name(f"milvus-{version}")
        if not (folder / ".complete").exists():
            raise NotInstalled(f"Milvus {version} is not installed; run: sh tests/support/install.sh milvus {version}")
        return folder

    def _storage_values(self) -> dict[str, str]:
        if self.storage is None:
            return {"common.storageType": "local"}
        return {
            "common.storageType": "minio",
            "minio.address": self.storage.address,
            "minio.port": str(self.storage.port),
            "minio.accessKeyID": self.storage.access_key,
            "minio.secretAccessKey": self.storage.secret_key,
            "minio.useSSL": str(self.storage.use_ssl).lower(),
            "minio.bucketName": self.bucket,
            "minio.rootPath": self.root_path,
        }

    def _write_configuration(self, values: Mapping[str, str], optional: Mapping[str, str]) -> None:
        configs = self.folder / "configs"
        for folder in (configs, self.local_root, self.folder / "logs"):
            folder.mkdir()
        with contextlib.suppress(FileNotFoundError):  # 2.2 has none
            shutil.copy(self._installation / "glog.conf", configs)
        client_url = f"http://{HOST}:{self._etcd_port}"
        peer_url = f"http://{HOST}:{self._etcd_peer_port}"
        etcd_data = self.local_root / "etcd.data"
        paths = {
            "etcd.endpoints": f"{HOST}:{self._etcd_port}",
            "etcd.log.path": str(self.folder / "logs" / "etcd.log"),
            "etcd.data.dir": str(etcd_data),
            "localStorage.path": f"{self.local_root}/",
            "rocksmq.path": str(self.local_root / "rocksmq"),
            "log.file.rootPath": '""',
        }
        if self.certificates:
            paths["tls.serverPemPath"] = str(self.certificates.server)
            paths["tls.serverKeyPath"] = str(self.certificates.server_key)
            paths["tls.caPemPath"] = str(self.certificates.ca)
        template = (self._installation / "config.yaml.template").read_text()
        text = re.sub(r"\{\{[^}:]*:?\s*([^}]*?)\s*\}\}", r"\1", set_yaml_values(template, paths | values, optional))
        (configs / "milvus.yaml").write_text(text)
        (configs / "etcd.yaml").write_text(
            f"name: default\ndata-dir: {etcd_data}\n"
            f"listen-client-urls: {client_url}\nadvertise-client-urls: {client_url}\n"
            f"listen-peer-urls: {peer_url}\ninitial-advertise-peer-urls: {peer_url}\n"
            f"initial-cluster: default={peer_url}\n"
            f"log-outputs: [{self.folder / 'logs' / 'etcd.log'}]\n"
        )


class MilvusLite(Server):
    """Milvus Lite: a Python program that answers some of the calls of a Milvus newer than 2.3. It knows no password."""

    name = "milvus-lite"
    start_timeout_s = 60.0
    user = ""
    password = ""
    certificates = None

    def __init__(self, base: Path | None = None) -> None:
        self._program = installed("milvus_lite") / "bin" / "milvus-lite"
        super().__init__(base)
        self.address = HOST
        self.port = free_ports(1)[0]

    def command(self) -> list[str | Path]:
        data = self.folder / "data"
        return [self._program, "server", "--data-dir", data, "--host", HOST, "--port", str(self.port)]

    def ready(self) -> bool:
        return accepts(self.port)


STORES = {
    "minio": MinioServer,
    "minio_tls": functools.partial(MinioServer, tls=True),
    "versitygw": VersityGw,
    "moto": MotoServer,
}


@contextlib.contextmanager
def running_stores(names: list[str], base: Path | None) -> Iterator[dict[str, str]]:
    """Start the stores and give their MB_TEST_ variables."""
    variables: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        for name in names:
            store = stack.enter_context(STORES[name](base=base))
            variables |= {f"MB_TEST_{name.upper()}_{part}": value for part, value in store.variables().items()}
        yield variables


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """The command line described at the top of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("run", "serve"):
        options = verbs.add_parser(verb)
        options.add_argument("--base", type=Path, help="where data goes, e.g. /dev/shm (default: TMPDIR)")
        for name in STORES:
            options.add_argument(f"--{name.replace('_', '-')}", action="append_const", dest="stores", const=name)
        if verb == "run":
            options.add_argument("command", nargs="+", help="what to run, after --")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Start the servers of the command line; the exit status is that of the command run."""
    options = parse_arguments(arguments)
    exit_on_signals()
    try:
        with running_stores(options.stores or [], options.base) as variables:
            if options.verb == "run":
                return subprocess.run(options.command, env={**os.environ, **variables}, check=False).returncode
            print(json.dumps(variables), flush=True)
            sys.stdin.read()
            return 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (NotInstalled, ServerFailed) as error:
        print(f"servers: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
