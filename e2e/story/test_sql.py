"""An objective that is measured by SQL freezes a Deployment as any other does, and thaws it."""

import json
from collections.abc import Iterator

import pytest
import trustme

from e2e.harness import Certificate, NoPostgres, Postgres, postgres
from e2e.stack import NAMESPACE, Controller, Stack, condition
from e2e.story.manifests import Object, deployment, objective, policy, stages
from e2e.story.team import OBJECTIVE, Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus, pytest.mark.postgresql]

NAME = "e2e-orders-db"
USER, PASSWORD = "e2e_sluice", "s3cret-of-the-orders"
# A Secret is read again every 20 seconds while a source gives nothing.
PATIENCE = 45.0
COUNTS = """
select count(*) as total, count(*) filter (where failed) as bad
from orders where at > $start and at <= $end
"""


class Orders:
    """A database with a table of orders, and the platform that declares it."""

    def __init__(self, stack: Stack, server: Postgres, ca: str) -> None:
        self._kubectl = stack.plane.kubectl
        self._stack = stack
        self._server = server
        self._ca = ca
        server.execute("create table orders (at timestamptz not null, failed boolean not null)")
        server.create_reader(USER, PASSWORD)
        server.execute(f"grant select on orders to {USER}")
        server.execute(
            "insert into orders select now() - s * interval '1 s', false "
            "from generate_series(0, 90000) as s"
        )
        server.execute("create index on orders (at)")

    def add(self, count: int, *, failed: bool) -> None:
        one = "insert into orders select now(), %s from generate_series(1, %s)"
        self._server.execute(one, failed, count)

    def declare(self) -> None:
        secret = {"name": NAME}
        spec = {
            "host": self._server.host,
            "port": self._server.port,
            "database": "postgres",
            "username": secret | {"key": "username"},
            "password": secret | {"key": "password"},
            "tls": {"ca": secret | {"key": "ca.crt"}},
        }
        source = {
            "apiVersion": "sluice.dev/v1alpha1",
            "kind": "MetricSource",
            "metadata": {"name": NAME},
            "spec": {"postgresql": spec},
        }
        self._kubectl("apply", "-f", "-", input=json.dumps(source))

    def store_secret(self, password: str) -> None:
        texts = {"username": USER, "password": password, "ca.crt": self._ca}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": NAME, "namespace": NAMESPACE},
            "stringData": texts,
        }
        self._kubectl("apply", "-f", "-", input=json.dumps(secret))

    def until_ready(self, reason: str) -> Object:
        def ready() -> Object:
            return condition(self._kubectl.json("get", "metricsource", NAME), "Ready")

        self._stack.until(
            f"{NAME}: {reason}", lambda: ready().get("reason") == reason, timeout=PATIENCE
        )
        return ready()

    def clean(self) -> None:
        self._kubectl("delete", "metricsource", NAME, "--ignore-not-found")
        self._kubectl("-n", NAMESPACE, "delete", "secret", NAME, "--ignore-not-found")


@pytest.fixture
def orders(everything: Stack) -> Iterator[Orders]:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    certificate = Certificate(chain, issued.private_key_pem.bytes())
    try:
        with postgres(certificate=certificate) as server:
            found = Orders(everything, server, authority.cert_pem.bytes().decode())
            yield found
            found.clean()
    except NoPostgres as reason:
        pytest.skip(str(reason))


def test_failed_orders_in_a_database_freeze_a_deployment_and_good_ones_thaw_it(
    team: Team, controller: Controller, orders: Orders
) -> None:
    by_sql = objective("", indicator={"sql": {"counts": {"query": COUNTS}}})
    misfit = team.service.job
    team.apply(
        by_sql,
        objective(misfit, name="misfit", source={"name": NAME}),
        policy(objectives={"names": ["availability"]}, stages=stages()),
        deployment(),
    )
    mismatch = team.until_condition("Stalled", "SourceMismatch", of=OBJECTIVE, name="availability")
    assert "spec.indicator.sql needs a MetricSource that is a PostgreSQL" in mismatch["message"]

    orders.store_secret("not-the-password")
    orders.declare()
    refused = orders.until_ready("SourceUnauthorized")
    assert "check its username and password" in refused["message"]
    orders.store_secret(PASSWORD)
    orders.until_ready("Reconciled")
    misfit_told = team.until_condition("Stalled", "SourceMismatch", of=OBJECTIVE, name="misfit")
    assert "this source is a PostgreSQL" in misfit_told["message"]

    team.apply(by_sql | {"spec": by_sql["spec"] | {"source": {"name": NAME}}})
    team.until_condition("BudgetKnown", "BudgetKnown", of=OBJECTIVE, name="availability")
    team.until_stage("Healthy")
    assert team.would_deploy().passed

    orders.add(800, failed=True)
    team.until_stage("Exhausted")
    team.until_denied()
    left = team.field(OBJECTIVE, "availability", ".status.errorBudget.remaining")
    assert 5 < float(left) < 20
    total = team.field(OBJECTIVE, "availability", ".status.errorBudget.events.bad")
    assert total == "800"

    orders.add(500_000, failed=False)
    team.until_stage("Healthy")
    team.until_passes()
    assert PASSWORD not in controller.log
    assert USER not in controller.log


def test_a_query_that_makes_no_sense_is_told_with_its_line_and_stops_nobody_else(
    team: Team, controller: Controller, orders: Orders
) -> None:
    orders.store_secret(PASSWORD)
    orders.declare()
    orders.until_ready("Reconciled")

    def of(name: str, query: str) -> Object:
        indicator = {"sql": {"counts": {"query": query}}}
        return objective("", name=name, indicator=indicator, source={"name": NAME})

    team.apply(
        of("good", COUNTS),
        of("misspelt", COUNTS.replace("failed", "fialed")),
        of("hostile", COUNTS + "; drop table orders"),
    )
    wrong = team.until_condition("Stalled", "InvalidQuery", of=OBJECTIVE, name="misspelt")
    assert 'query: 2:50: column "fialed" does not exist' in wrong["message"]
    hostile = team.until_condition("Stalled", "InvalidQuery", of=OBJECTIVE, name="hostile")
    assert "there is more than one statement" in hostile["message"]
    team.until_condition("BudgetKnown", "BudgetKnown", of=OBJECTIVE, name="good")
    assert controller.daemon.exit_code is None
