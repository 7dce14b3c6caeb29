"""How certificates are kept in a Secret.

`tls.crt` and `tls.key` are what the gates serve, `next.crt` and `next.key` what they will serve
once it is trusted, and `ca.crt` the authorities, newest first.
"""

from collections.abc import Mapping

from sluice.certificates.pair import Authority, Pair, authorities, read_pair
from sluice.certificates.rotation import Stored

_SERVED = ("tls.crt", "tls.key")
_COMING = ("next.crt", "next.key")
_TRUSTED = "ca.crt"


def stored(data: Mapping[str, bytes]) -> Stored:
    """What a Secret of these contents keeps; whatever cannot be used is told as a problem."""
    trusted = authorities(data.get(_TRUSTED, b""))
    problems = []
    pairs: list[Pair | None] = []
    for names in (_SERVED, _COMING):
        found = _pair(data, names, trusted)
        pairs.append(found if isinstance(found, Pair) else None)
        if isinstance(found, str):
            problems.append(f"{names[0]}: {found}")
    served, coming = pairs
    return Stored(served, coming, trusted, tuple(problems))


def contents(kept: Stored) -> dict[str, str | None]:
    """The contents of a Secret that keeps this; None for what must not be there."""
    found: dict[str, str | None] = {_TRUSTED: bundle(kept)}
    for names, pair in ((_SERVED, kept.served), (_COMING, kept.coming)):
        values = (None, None) if pair is None else (pair.certificate, pair.key)
        found |= dict(zip(names, values, strict=True))
    return found


def bundle(kept: Stored) -> str:
    """What the API server is to trust, as PEM."""
    return "".join(one.pem for one in kept.trusted)


def _pair(
    data: Mapping[str, bytes], names: tuple[str, str], trusted: tuple[Authority, ...]
) -> Pair | str | None:
    certificate, key = (data.get(name, b"") for name in names)
    if not certificate and not key:
        return None
    return read_pair(certificate, key, trusted)
