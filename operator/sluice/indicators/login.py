"""From what a MetricSource and its Secrets say to how a database is logged in to."""

from dataclasses import dataclass, field

from sluice.api.postgresql import PostgreSQLSource
from sluice.api.reasons import Reason
from sluice.indicators.credentials import (
    InvalidSecretError,
    Secrets,
    pem_of,
    text_of,
    without_secrets,
    worth_hiding,
)
from sluice.indicators.failure import Failure


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in, and whom the other end must be.

    Attributes:
        user: the role.
        password: its password.
        ca: certificates (PEM) that the database's must be signed by; None to check nothing.
    """

    user: str = field(repr=False)
    password: str = field(repr=False)
    ca: str | None = field(default=None, repr=False)

    def hide(self, failure: Failure) -> Failure:
        """The failure without anything secret: a database names the role that it refuses."""
        return without_secrets(failure, filter(worth_hiding, (self.user, self.password)))


def login(declared: PostgreSQLSource, secrets: Secrets) -> Login | Failure:
    """How the source that is `declared` is logged in to.

    Args:
        declared: the source.
        secrets: what everything holds that `declared.secrets()` names.

    Returns:
        It, or a failure `InvalidSecret` that names the Secret and its key.
    """
    try:
        return Login(
            user=text_of(declared.username, secrets),
            password=text_of(declared.password, secrets),
            ca=None if declared.tls.ca is None else pem_of(declared.tls.ca, secrets),
        )
    except InvalidSecretError as error:
        return Failure(Reason.INVALID_SECRET, str(error))
