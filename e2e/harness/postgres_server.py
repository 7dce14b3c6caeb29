"""A real PostgreSQL for as long as a `with` block runs."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from e2e.harness.ports import LOOPBACK, free_port
from e2e.harness.postgres_programs import NoPostgres, PostgresPrograms, postgres_programs
from e2e.harness.processes import Daemon, DaemonFailedError, Scope, scope
from e2e.harness.starting import READY_SECONDS, started

_ADMIN = "postgres"
# PostgreSQL refuses to be root: there, everything is run as a user who owns nothing else.
_NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the server shows over TLS, in PEM."""

    chain: bytes
    key: bytes


class Postgres:
    """A running PostgreSQL with a data directory of its own.

    Over TCP it wants a password (SCRAM), and TLS if it has a certificate; the harness goes in by
    its socket.
    """

    def __init__(
        self,
        scope: Scope,
        programs: PostgresPrograms,
        settings: Mapping[str, str],
        certificate: Certificate | None,
    ) -> None:
        self.host = LOOPBACK
        self.port = free_port()
        self._scope = scope
        self._directory = scope.directory / "postgres"
        self._programs = programs
        self._settings = dict(settings)
        self._daemon: Daemon | None = None
        self._create(certificate)

    @property
    def log(self) -> str:
        """What it has logged."""
        assert self._daemon is not None
        return self._daemon.log.read_text(errors="replace")

    def start(self) -> None:
        """Start it, again at the same address, and wait until it answers."""
        self._daemon = started(self._start, self._ready, name="postgres")

    def stop(self, *, crash: bool = False) -> None:
        """Stop it, which ends all connections; what is committed is there after the next start."""
        if self._daemon is not None and self._daemon.exit_code is None:
            self._daemon.signal(signal.SIGQUIT if crash else signal.SIGINT)
            self._daemon.process.wait(READY_SECONDS)

    def hang(self) -> None:
        """Let it accept connections and never answer, until `wake`."""
        assert self._daemon is not None
        self._daemon.signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Go on after `hang`."""
        assert self._daemon is not None
        self._daemon.signal(signal.SIGCONT)

    def execute(self, sql: str, *parameters: Any, database: str = _ADMIN) -> list[tuple[Any, ...]]:
        """Run a statement as superuser; its rows, if it gives any."""
        with self.connect(database) as connection:
            cursor = connection.execute(sql.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def connect(self, database: str = _ADMIN) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection as superuser, which commits each statement."""
        return psycopg.connect(
            host=str(self._directory),
            port=self.port,
            dbname=database,
            user=_ADMIN,
            autocommit=True,
        )

    def create_reader(self, name: str, password: str, *, database: str = _ADMIN) -> None:
        """A role that can log in and read nothing yet."""
        role = psycopg.sql.Identifier(name)
        create = psycopg.sql.SQL("create role {} login password {}")
        with self.connect(database) as connection:
            connection.execute(create.format(role, password))

    def _create(self, certificate: Certificate | None) -> None:
        self._directory.mkdir()
        self._scope.directory.chmod(0o711)
        self._own(self._directory)
        data = self._directory / "data"
        options = ["--username", _ADMIN, "--auth-local", "trust", "--auth-host", "scram-sha-256"]
        make = ["--encoding", "UTF8", "--locale", "C", "--no-sync", *options, "-D", str(data)]
        command = [*self._as_user(), str(self._programs.directory / "initdb"), *make]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self._directory,
            env=self._environment,
        )
        if done.returncode != 0:
            raise DaemonFailedError(f"initdb failed:\n{done.stderr}")
        if certificate is None:
            return
        for name, content in (("server.crt", certificate.chain), ("server.key", certificate.key)):
            (data / name).touch(mode=0o600)
            (data / name).write_bytes(content)
            self._own(data / name)
        self._settings["ssl"] = "on"

    def _start(self) -> Daemon:
        settings = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self._directory),
            "fsync": "off",
            "jit": "off",
            "shared_buffers": "16MB",
            "max_connections": "40",
            **self._settings,
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        server = [str(self._programs.directory / "postgres"), "-D", str(self._directory / "data")]
        return self._scope.start(
            "postgres",
            [*self._as_user(), *server, *flags],
            cwd=self._directory,
            env=self._environment,
            grace=0.0,
        )

    def _ready(self) -> bool:
        try:
            [(data,)] = self.execute("show data_directory")
        except psycopg.OperationalError:
            return False
        # Another one may have been quicker to take the port.
        return bool(data == str(self._directory / "data"))

    @property
    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {**kept, **self._programs.environment}

    def _own(self, path: Path) -> None:
        if os.geteuid() == 0:
            user = pwd.getpwnam(_NOBODY)
            os.chown(path, user.pw_uid, user.pw_gid)

    def _as_user(self) -> Sequence[str]:
        if os.geteuid() != 0:
            return []
        user = pwd.getpwnam(_NOBODY)
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


@contextmanager
def postgres(
    *,
    settings: Mapping[str, str] | None = None,
    certificate: Certificate | None = None,
    keep_logs: Path | None = None,
) -> Iterator[Postgres]:
    """A PostgreSQL with an empty database.

    Args:
        settings: of its configuration, such as `shared_preload_libraries`.
        certificate: for TLS; without one there is none.
        keep_logs: a directory to copy its log into at the end.

    Raises:
        NoPostgres: when there is none to be had.
    """
    programs = postgres_programs()
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        raise NoPostgres("PostgreSQL refuses to run as root, and there is no setpriv (util-linux)")
    with scope("sluice-postgres-", keep_logs=keep_logs) as running:
        if os.geteuid() == 0:
            programs = programs.copied(running.directory / "programs")
        server = Postgres(running, programs, settings or {}, certificate)
        server.start()
        try:
            yield server
        finally:
            server.wake()
            server.stop()
