"""Makes a certificate for a server, with an authority that signs it and nothing else.

The authority's key is never kept: whoever reads the Secret can serve as the gate, and cannot make
certificates for anybody else. Source: RFC 5280, sections 4.1.2 and 4.2.1.
"""

import ipaddress
from collections.abc import Collection
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sluice.certificates.pair import Pair, authority

_SKEW = timedelta(minutes=5)
"""How far the clock of an API server may be behind ours."""


def issue(hosts: Collection[str], *, now: datetime, lifetime: timedelta) -> Pair:
    """A new pair for `hosts`, DNS names and addresses, valid for `lifetime` from `now` on.

    It is another one with each call: keys and serial numbers are random.
    """
    signing, own = _key(), _key()
    begins, ends = (now - _SKEW).replace(microsecond=0), (now + lifetime).replace(microsecond=0)
    root_name = _name(f"Sluice gate authority {now:%Y-%m-%dT%H:%M:%SZ}")
    root = (
        _begun(root_name, root_name, signing.public_key(), begins, ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(signing, SHA256())
    )
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    leaf = (
        _begun(_name("Sluice gate"), root_name, own.public_key(), begins, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_names(hosts)), critical=False)
        .add_extension(signer, critical=False)
        .sign(signing, SHA256())
    )
    key = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(
        certificate=leaf.public_bytes(Encoding.PEM).decode("ascii"),
        key=key.decode("ascii"),
        authority=authority(root),
        begins=begins,
        ends=ends,
        hosts=frozenset(hosts),
    )


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    begins: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    """What authority and certificate have in common."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _names(hosts: Collection[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for host in sorted(hosts):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            found.append(x509.DNSName(host))
    return found
