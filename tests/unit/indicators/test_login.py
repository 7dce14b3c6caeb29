"""From Secrets to a log-in: what cannot be used is named, and nothing of it is shown."""

import pytest
import trustme

from sluice.api.postgresql import PostgreSQLSource
from sluice.api.reasons import Reason
from sluice.api.secrets import SecretKey
from sluice.indicators.failure import Failure
from sluice.indicators.login import Login, login

DECLARED = PostgreSQLSource.model_validate(
    {
        "host": "orders-db",
        "database": "orders",
        "username": {"name": "db", "key": "username"},
        "password": {"name": "db", "key": "password"},
        "tls": {"ca": {"name": "db", "key": "ca.crt"}},
    }
)
CA = trustme.CA().cert_pem.bytes()
SECRETS = {"username": b"sluice_reader\n", "password": b"s3cret-of-db\n", "ca.crt": CA}


def made(**changed: bytes) -> Login | Failure:
    held = SECRETS | {name.replace("_", "."): content for name, content in changed.items()}
    return login(DECLARED, {SecretKey(name="db", key=key): it for key, it in held.items()})


def test_a_login_is_what_the_secrets_hold_without_the_end_of_the_line() -> None:
    found = made()
    assert isinstance(found, Login)
    assert (found.user, found.password) == ("sluice_reader", "s3cret-of-db")
    assert found.ca == CA.decode()
    assert {str(it) for it in DECLARED.secrets()} == {"db[username]", "db[password]", "db[ca.crt]"}


def test_neither_the_role_nor_its_password_is_shown() -> None:
    found = made()
    assert isinstance(found, Login)
    assert "s3cret" not in repr(found)
    said = 'password authentication failed for user "sluice_reader": s3cret-of-db'
    hidden = found.hide(Failure(Reason.SOURCE_UNAUTHORIZED, said)).message
    assert hidden == 'password authentication failed for user "[hidden]": [hidden]'


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": b"two\nlines"}, "Secret db[password]: there is control characters in it"),
        ({"password": b""}, "Secret db[password]: there is nothing in it"),
        ({"username": b"\xff"}, "Secret db[username]: this is no text in UTF-8"),
        ({"ca_crt": b"no PEM"}, "Secret db[ca.crt]: there is no certificate in PEM in it"),
    ],
)
def test_what_cannot_be_used_is_named(changed: dict[str, bytes], said: str) -> None:
    failure = made(**changed)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.INVALID_SECRET
    assert said in failure.message
