"""The webhook's certificate: read again whenever its files change, without a restart."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import structlog

_log = structlog.get_logger(__name__)


class Certificate:
    """A certificate and its key as a context for TLS servers.

    A context that is in use takes a new certificate for the connections that come after it.

    Raises:
        OSError, ssl.SSLError: the files cannot be read, or are no pair.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._seen = self._content()
        self.context.load_cert_chain(certificate, key)
        self.expires = _expires(self._seen[0])
        """When the API server stops to trust it, so that changes pass; None if it does not say."""

    def refresh(self) -> bool:
        """Take the files' content in if it is another one; whether it was.

        While one of the two is written already and the other one is not, the old pair stays.
        """
        try:
            content = self._content()
            if content == self._seen:
                return False
            # Tried on a context of its own: a pair that does not match would spoil the one in use.
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                self._certificate, self._key
            )
            self.context.load_cert_chain(self._certificate, self._key)
        except (OSError, ssl.SSLError) as error:
            _log.warning("certificate not read again, the old one stays", error=str(error))
            return False
        self._seen = content
        self.expires = _expires(content[0])
        _log.info("certificate read again", file=str(self._certificate), expires=str(self.expires))
        return True

    def _content(self) -> tuple[bytes, bytes]:
        return self._certificate.read_bytes(), self._key.read_bytes()


_GENERALIZED = 0x18
_VERSION = 0xA0
_LONG_FORM = 0x80


def _expires(pem: bytes) -> datetime | None:
    """`notAfter` of the first certificate. Source: RFC 5280, section 4.1, and X.690 (DER)."""
    try:
        begin, end = ssl.PEM_HEADER.encode(), ssl.PEM_FOOTER.encode()
        first = pem[pem.index(begin) : pem.index(end) + len(end)].decode("ascii")
        [(_, certificate)] = _elements(ssl.PEM_cert_to_DER_cert(first))
        (_, to_be_signed), *_ = _elements(certificate)
        fields = [one for one in _elements(to_be_signed) if one[0] != _VERSION]
        # Serial number, signature algorithm, issuer, validity.
        _, (tag, not_after) = _elements(fields[3][1])
        shape = "%Y%m%d%H%M%SZ" if tag == _GENERALIZED else "%y%m%d%H%M%SZ"
        return datetime.strptime(not_after.decode("ascii"), shape).replace(tzinfo=UTC)
    except (ValueError, IndexError) as error:
        _log.warning("it is not known when the certificate expires", error=str(error))
        return None


def _elements(der: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each element of a sequence's content."""
    found, at = [], 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length >= _LONG_FORM:
            size = length - _LONG_FORM
            length = int.from_bytes(der[at : at + size], "big")
            at += size
        found.append((tag, der[at : at + length]))
        at += length
    return found
