"""The webhook's certificate: read again whenever its files change, without a restart."""

import ssl
from datetime import datetime
from pathlib import Path

import structlog

from sluice.certificates.pair import expiry

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


def _expires(pem: bytes) -> datetime | None:
    """When the first certificate ends, as the API server sees it."""
    found = expiry(pem)
    if found is None:
        _log.warning("it is not known when the certificate expires")
    return found
