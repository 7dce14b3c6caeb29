"""Certificates as they are made, kept in a Secret, and read again."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sluice.certificates.issuing import issue
from sluice.certificates.pair import Pair, authorities, expiry
from sluice.certificates.rotation import Stored
from sluice.certificates.store import bundle, contents, stored

NOW = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
DAY = timedelta(days=1)
HOSTS = frozenset({"sluice-gate.sluice-system.svc", "127.0.0.1"})

Contents = dict[str, bytes]


def made(days: int = 90) -> Pair:
    return issue(HOSTS, now=NOW, lifetime=days * DAY)


def whole() -> Contents:
    """A Secret in the middle of a change."""
    old = made()
    kept = Stored(served=old, trusted=(old.authority,))
    return data(kept.with_coming(made(), kept.trusted))


def data(kept: Stored) -> Contents:
    return {name: text.encode() for name, text in contents(kept).items() if text is not None}


def test_what_is_kept_is_read_again_as_it_was() -> None:
    old, new = made(), made()
    for kept in (
        Stored(),
        Stored(served=old, trusted=(old.authority,)),
        Stored(served=old, trusted=(old.authority,)).with_coming(new, (old.authority,)),
        Stored(served=new, trusted=(new.authority, old.authority)),
    ):
        assert stored(data(kept)) == kept


def test_what_must_not_be_there_any_more_is_taken_out() -> None:
    kept = Stored(served=None).with_coming(made(), ()).serving_coming()
    assert {name for name, text in contents(kept).items() if text is None} == {
        "next.crt",
        "next.key",
    }


def without(name: str) -> Callable[[Contents], Contents]:
    return lambda given: {key: text for key, text in given.items() if key != name}


def foreign(given: Contents) -> Contents:
    """Somebody has put a certificate of an authority of their own in."""
    issued = trustme.CA().issue_cert("sluice-gate.sluice-system.svc")
    certificate = issued.cert_chain_pems[0].bytes()
    return given | {"tls.crt": certificate, "tls.key": issued.private_key_pem.bytes()}


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (without("tls.key"), "tls.crt: certificate or key are no PEM"),
        (without("tls.crt"), "tls.crt: certificate or key are no PEM"),
        (
            lambda given: given | {"tls.crt": given["tls.crt"][:300]},
            "tls.crt: certificate or key are no PEM",
        ),
        (
            lambda given: given | {"tls.key": b"-----BEGIN NOTHING-----"},
            "tls.crt: certificate or key are no PEM",
        ),
        (
            lambda given: given | {"tls.key": given["next.key"]},
            "tls.crt: the key is not that of the certificate",
        ),
        (foreign, "tls.crt: none of the authorities has signed the certificate"),
        (without("ca.crt"), "tls.crt: none of the authorities has signed the certificate"),
        (
            lambda given: given | {"ca.crt": given["ca.crt"][:-40]},
            "tls.crt: none of the authorities has signed the certificate",
        ),
        (lambda given: given | {"tls.crt": b"\xff\xfe"}, "tls.crt: certificate or key are no PEM"),
    ],
)
def test_what_is_damaged_is_told_and_is_no_use(
    damage: Callable[[Contents], Contents], problem: str
) -> None:
    found = stored(damage(whole()))
    assert found.served is None
    assert found.problems[0] == problem


def test_nothing_of_a_key_is_in_what_is_told() -> None:
    given = whole()
    secret = given["tls.key"].decode().splitlines()[1]
    [problem] = stored(given | {"tls.key": given["tls.key"][:-60]}).problems
    assert secret[:16] not in problem


def test_an_authority_can_sign_no_other_certificate_for_its_key_is_nowhere() -> None:
    given = whole()
    roots = x509.load_pem_x509_certificates(given["ca.crt"])
    assert {name for name, text in given.items() if b"PRIVATE KEY" in text} == {
        "tls.key",
        "next.key",
    }
    for name in ("tls.key", "next.key"):
        own = load_pem_private_key(given[name], None).public_key()
        assert own not in [one.public_key() for one in roots]
    for root in roots:
        limits = root.extensions.get_extension_for_class(x509.BasicConstraints).value
        assert (limits.ca, limits.path_length) == (True, 0)
    leaf = x509.load_pem_x509_certificate(given["tls.crt"])
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_the_first_certificates_end_is_known_and_of_no_certificate_none() -> None:
    found = made(30)
    assert expiry(found.certificate.encode()) == NOW + 30 * DAY
    assert expiry(b"") is None
    assert authorities(b"not a certificate") == ()


@pytest.mark.parametrize("host", sorted(HOSTS))
async def test_a_tls_client_that_trusts_the_bundle_trusts_the_server(
    tmp_path: Path, host: str
) -> None:
    now = datetime.now(UTC)
    pair, other = (issue(HOSTS, now=now, lifetime=DAY) for _ in range(2))
    (tmp_path / "tls.crt").write_text(pair.certificate)
    (tmp_path / "tls.key").write_text(pair.key)
    assert handshake(tmp_path, host, (other, pair)) == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, host, (other,))


def handshake(files: Path, host: str, trusted: tuple[Pair, ...]) -> str | None:
    """The protocol that a client and a server agree upon, in memory."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(files / "tls.crt", files / "tls.key")
    text = bundle(Stored(trusted=tuple(one.authority for one in trusted)))
    asking = ssl.create_default_context(cadata=text)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(to_client, to_server, server_hostname=host)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.version()
