"""From a declared source and its Secrets to what requests carry, and that nothing shows it."""

import ssl
from typing import Any

import pytest
import trustme

from sluice.api.reasons import Reason
from sluice.api.source import PrometheusSource, SecretKey
from sluice.indicators.credentials import Credentials, credentials
from sluice.indicators.failure import Failure


def entry(key: str) -> dict[str, str]:
    return {"name": "s", "key": key}


def made(contents: dict[str, bytes], **declared: Any) -> Credentials | Failure:
    source = PrometheusSource.model_validate({"url": "https://a", **declared})
    secrets = {SecretKey(name="s", key=key): content for key, content in contents.items()}
    return credentials(source, secrets)


BASIC = {"basicAuth": {"username": entry("user"), "password": entry("password")}}


@pytest.mark.parametrize(
    ("contents", "declared", "headers"),
    [
        ({}, {}, {}),
        (
            {"token": b"abc.def"},
            {"bearerToken": entry("token")},
            {"Authorization": "Bearer abc.def"},
        ),
        # The example of RFC 7617.
        (
            {"user": b"Aladdin", "password": b"open sesame"},
            BASIC,
            {"Authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
        ),
        ({"token": b"abc\n"}, {"bearerToken": entry("token")}, {"Authorization": "Bearer abc"}),
        (
            {"org": b"team-a"},
            {"headers": [{"name": "X-Scope-OrgID", "secret": entry("org")}]},
            {"X-Scope-OrgID": "team-a"},
        ),
        ({}, {"headers": [{"name": "X-A", "value": "b c"}]}, {"X-A": "b c"}),
    ],
)
def test_requests_carry_what_was_declared(
    contents: dict[str, bytes], declared: dict[str, Any], headers: dict[str, str]
) -> None:
    found = made(contents, **declared)
    assert isinstance(found, Credentials)
    assert found.headers == headers


@pytest.mark.parametrize(
    ("contents", "declared", "message"),
    [
        ({"token": b"\xff\xfe"}, {"bearerToken": entry("token")}, "Secret s[token]: this is no te"),
        ({"token": b"\n"}, {"bearerToken": entry("token")}, "s[token]: there is nothing in it"),
        (
            {"token": b"abc\r\nX-Evil: yes"},
            {"bearerToken": entry("token")},
            "s[token]: there is control characters in it",
        ),
        ({"user": b"a:b", "password": b"c"}, BASIC, "s[user]: a user's name cannot have a colon"),
        (
            {"ca": b"nonsense"},
            {"tls": {"ca": entry("ca")}},
            "Secret s[ca]: there is no certificate in PEM in it",
        ),
        (
            {"crt": b"nonsense", "key": b"nonsense"},
            {"tls": {"certificate": entry("crt"), "key": entry("key")}},
            "Secrets s[crt] and s[key]: these are not a certificate chain",
        ),
    ],
)
def test_what_cannot_be_used_is_named_and_not_shown(
    contents: dict[str, bytes], declared: dict[str, Any], message: str
) -> None:
    failure = made(contents, **declared)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.INVALID_SECRET
    assert message in failure.message
    for content in contents.values():
        text = content.decode(errors="replace").strip()
        assert len(text) < 3 or text not in failure.message


def test_a_source_is_verified_unless_it_is_said_not_to() -> None:
    ca = trustme.CA().cert_pem.bytes()
    strict = made({"ca": ca}, tls={"ca": entry("ca")})
    assert isinstance(strict, Credentials)
    assert strict.tls is not None
    assert (strict.tls.verify_mode, strict.tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(strict.tls.get_ca_certs()) == 1
    lax = made({}, tls={"insecureSkipVerify": True})
    assert isinstance(lax, Credentials)
    assert lax.tls is not None
    assert lax.tls.verify_mode is ssl.CERT_NONE


def test_a_certificate_and_somebody_elses_key_are_refused() -> None:
    one, other = (trustme.CA().issue_cert("sluice") for _ in range(2))
    contents = {
        "crt": one.cert_chain_pems[0].bytes(),
        "key": other.private_key_pem.bytes(),
    }
    failure = made(contents, tls={"certificate": entry("crt"), "key": entry("key")})
    assert isinstance(failure, Failure)
    assert "PRIVATE KEY" not in failure.message


@pytest.mark.parametrize(
    ("contents", "declared", "sent"),
    [
        ({"token": b"abc.def"}, {"bearerToken": entry("token")}, "abc.def"),
        ({"user": b"ann", "password": b"open sesame"}, BASIC, "open sesame"),
        ({"user": b"ann", "password": b"open sesame"}, BASIC, "YW5uOm9wZW4gc2VzYW1l"),
        (
            {"org": b"team-a"},
            {"headers": [{"name": "X-Scope-OrgID", "secret": entry("org")}]},
            "team-a",
        ),
    ],
)
def test_a_message_that_repeats_a_secret_is_shown_without_it(
    contents: dict[str, bytes], declared: dict[str, Any], sent: str
) -> None:
    found = made(contents, **declared)
    assert isinstance(found, Credentials)
    failure = Failure(Reason.SOURCE_ERROR, f"you sent {sent}, go away", divisible=True)
    hidden = found.hide(failure)
    assert hidden == Failure(Reason.SOURCE_ERROR, "you sent [hidden], go away", divisible=True)
    assert sent not in repr(found)
