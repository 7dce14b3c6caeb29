"""Writes samples into a running Prometheus as a remote writer, staleness markers included.

Sources: prometheus.io/docs/specs/prw/remote_write_spec (the message), the snappy format description
(a block of literals is valid snappy), and the value that Prometheus takes for a staleness marker.
"""

import struct
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
_LITERAL = 60_000


@dataclass(frozen=True, slots=True)
class Written:
    """One sample."""

    labels: Mapping[str, str]
    time: float
    value: float


def write(url: str, samples: Iterable[Written]) -> None:
    """Write samples in order of time."""
    ordered = sorted(samples, key=lambda sample: sample.time)
    message = b"".join(_field(1, _series(sample)) for sample in ordered)
    request = urllib.request.Request(
        f"{url}/api/v1/write",
        data=_snappy(message),
        headers={
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 204


def _series(sample: Written) -> bytes:
    labels = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for name, value in sorted(sample.labels.items())
    )
    millis = round(sample.time * 1000)
    # The value's bits are what makes a staleness marker: they must not pass through arithmetic.
    return labels + _field(2, b"\x09" + struct.pack("<d", sample.value) + b"\x10" + _varint(millis))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _snappy(content: bytes) -> bytes:
    blocks = [_varint(len(content))]
    for start in range(0, len(content), _LITERAL):
        literal = content[start : start + _LITERAL]
        blocks.append(bytes([61 << 2]) + struct.pack("<H", len(literal) - 1) + literal)
    return b"".join(blocks)
