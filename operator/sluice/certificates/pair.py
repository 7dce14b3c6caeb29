"""Reads certificates, their keys, and the authorities that they are trusted by."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that others are trusted by.

    Attributes:
        pem: itself, as PEM.
        begins: from when it is valid.
        ends: until when.
    """

    pem: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its key, and the authority that signed it.

    Attributes:
        certificate: PEM.
        key: PEM.
        authority: who signed it.
        begins: from when both the certificate and its authority are valid.
        ends: until when both are.
        hosts: the names and addresses that it is for.
    """

    certificate: str
    key: str
    authority: Authority
    begins: datetime
    ends: datetime
    hosts: frozenset[str]

    def usable(self, now: datetime) -> bool:
        """Whether who trusts the authority trusts the certificate now."""
        return self.begins <= now < self.ends


def expiry(pem: bytes) -> datetime | None:
    """When the first certificate of `pem` ends; None if there is none that can be read."""
    try:
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except _UNREADABLE:
        return None


def authorities(pem: bytes) -> tuple[Authority, ...]:
    """All certificates of `pem`, in their order; none if one of them cannot be read."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except _UNREADABLE:
        return ()
    return tuple(map(authority, found))


def authority(certificate: x509.Certificate) -> Authority:
    """A certificate as others are trusted by it."""
    return Authority(
        pem=certificate.public_bytes(Encoding.PEM).decode("ascii"),
        begins=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
    )


def read_pair(certificate: bytes, key: bytes, trusted: Iterable[Authority]) -> Pair | str:
    """A pair whose certificate one of `trusted` has signed; in words what is wrong, if it is not.

    The words tell nothing of the key.
    """
    try:
        leaf = x509.load_pem_x509_certificate(certificate)
        own = load_pem_private_key(key, password=None).public_key()
    except _UNREADABLE:
        return "certificate or key are no PEM"
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if own.public_bytes(*form) != leaf.public_key().public_bytes(*form):
        return "the key is not that of the certificate"
    for one in trusted:
        if _signed(leaf, by=one):
            return Pair(
                certificate=certificate.decode("ascii"),
                key=key.decode("ascii"),
                authority=one,
                begins=max(leaf.not_valid_before_utc, one.begins),
                ends=min(leaf.not_valid_after_utc, one.ends),
                hosts=_hosts(leaf),
            )
    return "none of the authorities has signed the certificate"


def _signed(leaf: x509.Certificate, *, by: Authority) -> bool:
    try:
        leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(by.pem.encode("ascii")))
    except (InvalidSignature, *_UNREADABLE):
        return False
    return True


def _hosts(leaf: x509.Certificate) -> frozenset[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return frozenset()
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return frozenset((*names.get_values_for_type(x509.DNSName), *addresses))
