"""From what a MetricSource and its Secrets say to how requests are sent. Nothing here shows them.

Sources: RFC 6750 (bearer tokens), RFC 7617 (basic authentication), RFC 9110 section 5.5 (what a
header may hold).
"""

import os
import ssl
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from sluice.api.reasons import Reason
from sluice.api.secrets import SecretKey
from sluice.api.source import TLS, Header, PrometheusSource
from sluice.indicators.failure import Failure

_HIDDEN = "[hidden]"
# A shorter one stands in any text by chance: replaced everywhere, it would be told by the holes.
_TOO_SHORT_TO_HIDE = 4

Secrets = Mapping[SecretKey, bytes]
"""What the entries of Secrets hold that a source refers to."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How requests are sent to a source.

    Attributes:
        headers: of every request.
        tls: whom to trust and with which certificate; None for the system's defaults.
        secrets: texts that no message may hold.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    def hide(self, failure: Failure) -> Failure:
        """The failure without anything secret: a source may send back what it was sent."""
        return without_secrets(failure, self.secrets)


def without_secrets(failure: Failure, secrets: Iterable[str]) -> Failure:
    """The failure with none of `secrets` in its message."""
    message = failure.message
    for secret in sorted(secrets, key=len, reverse=True):
        message = message.replace(secret, _HIDDEN)
    return replace(failure, message=message)


class InvalidSecretError(Exception):
    """An entry of a Secret is not what it is used as; the message does not show it."""


def credentials(declared: PrometheusSource, secrets: Secrets) -> Credentials | Failure:
    """How requests are sent to the source that is `declared`.

    Args:
        declared: the source.
        secrets: what everything holds that `declared.secrets()` names.

    Returns:
        It, or a failure `InvalidSecret` for what cannot be used: it names the Secret and its key.
    """
    try:
        headers = dict(_headers(declared, secrets))
        tls = None if declared.tls is None else _context(declared.tls, secrets)
    except InvalidSecretError as error:
        return Failure(Reason.INVALID_SECRET, str(error))
    return Credentials(headers, tls, frozenset(_never_shown(declared, secrets, headers)))


def _headers(declared: PrometheusSource, secrets: Secrets) -> Iterator[tuple[str, str]]:
    for header in declared.headers:
        yield header.name, _value(header, secrets)
    if declared.bearer_token is not None:
        yield "Authorization", f"Bearer {text_of(declared.bearer_token, secrets)}"
    if declared.basic_auth is not None:
        user, password = declared.basic_auth.username, declared.basic_auth.password
        if ":" in text_of(user, secrets):
            raise InvalidSecretError(f"Secret {user}: a user's name cannot have a colon")
        pair = f"{text_of(user, secrets)}:{text_of(password, secrets)}"
        yield "Authorization", f"Basic {b64encode(pair.encode()).decode()}"


def _value(header: Header, secrets: Secrets) -> str:
    if header.secret is not None:
        return text_of(header.secret, secrets)
    assert header.value is not None
    return header.value


def worth_hiding(text: str) -> bool:
    """Whether a secret is long enough to be cut out of texts."""
    return len(text) >= _TOO_SHORT_TO_HIDE


def text_of(reference: SecretKey, secrets: Secrets) -> str:
    """What the entry holds, without the line's end that editors and `echo` leave.

    Raises:
        InvalidSecretError: it is no line of text.
    """
    try:
        text = secrets[reference].decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise InvalidSecretError(f"Secret {reference}: this is no text in UTF-8") from None
    if not text or not text.isprintable():
        problem = "control characters" if text else "nothing"
        raise InvalidSecretError(f"Secret {reference}: there is {problem} in it: write one line")
    return text


def _never_shown(
    declared: PrometheusSource, secrets: Secrets, headers: Mapping[str, str]
) -> Iterator[str]:
    tls = declared.tls
    public = () if tls is None else (tls.ca, tls.certificate)
    for reference, content in secrets.items():
        text = content.decode("utf-8", errors="replace").strip()
        if reference not in public and worth_hiding(text):
            yield text
    yield from (
        value.rpartition(" ")[2] for name, value in headers.items() if name == "Authorization"
    )


def _context(tls: TLS, secrets: Secrets) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=None if tls.ca is None else pem_of(tls.ca, secrets))
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None and tls.key is not None:
        _present(context, tls.certificate, tls.key, secrets)
    return context


def pem_of(reference: SecretKey, secrets: Secrets) -> str:
    """The certificates that the entry holds.

    Raises:
        InvalidSecretError: there are none.
    """
    text = secrets[reference].decode("ascii", errors="replace")
    try:
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError):
        raise InvalidSecretError(
            f"Secret {reference}: there is no certificate in PEM in it"
        ) from None
    return text


def _present(
    context: ssl.SSLContext, certificate: SecretKey, key: SecretKey, secrets: Secrets
) -> None:
    with in_memory(secrets[certificate]) as chain, in_memory(secrets[key]) as private:
        try:
            # With a password an encrypted key is refused; without one OpenSSL asks the terminal.
            context.load_cert_chain(chain, private, password="")
        except (ssl.SSLError, ValueError):
            raise InvalidSecretError(
                f"Secrets {certificate} and {key}: these are not a certificate chain and its "
                "private key, both in PEM, the key not encrypted"
            ) from None


@contextmanager
def in_memory(content: bytes) -> Iterator[str]:
    """A file with `content` that is in memory only: a private key never reaches a disk."""
    descriptor = os.memfd_create("sluice")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
