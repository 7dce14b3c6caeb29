"""A table of requests whose truth is known to the row."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from e2e.harness import Postgres
from tests.integration.postgresql.conftest import USER


@dataclass(frozen=True, slots=True)
class Request:
    """One row; times are Unix seconds."""

    at: float
    status: int = 200
    seconds: float = 0.02
    note: str = ""


class Table:
    """A table `requests` and what truly is in it."""

    def __init__(self, server: Postgres, name: str) -> None:
        self._server = server
        self.name = name
        self._rows: list[Request] = []
        server.execute(f"drop table if exists {name}")
        server.execute(
            f"create table {name} (at timestamptz not null, status integer not null, "
            "duration double precision not null, note text not null)"
        )
        server.execute(f"create index on {name} (at)")
        server.execute(f"grant select on {name} to {USER}")

    def add(self, rows: Sequence[Request]) -> None:
        copy = f"copy {self.name} (at, status, duration, note) from stdin"
        with self._server.connect() as connection, connection.cursor().copy(copy.encode()) as into:
            for row in rows:
                into.write_row((_time(row.at), row.status, row.seconds, row.note))
        self._rows = sorted([*self._rows, *rows], key=lambda row: row.at)
        self._server.execute(f"analyze {self.name}")

    def truth(self, start: float, end: float) -> tuple[int, int]:
        """All and failed requests after `start` up to and including `end`."""
        times = [row.at for row in self._rows]
        inside = self._rows[bisect_right(times, start) : bisect_right(times, end)]
        return len(inside), sum(row.status >= 500 for row in inside)

    @property
    def counts(self) -> str:
        return (
            "select count(*) as total, count(*) filter (where status >= 500) as bad\n"
            f"from {self.name} where at > $start and at <= $end"
        )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
