"""A revocation list of a million: encoding, signing, and what judges say. ``python -m tests.bench.ca_crl``.

RevokedEntries lie in a page for each day of a year, as the service keeps them (`services.ca.crl.shards`).
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.ca.authority.issuers import Issuer
from services.ca.crl import signing
from services.ca.crl.signing import CrlFields, RevokedEntries, entry, sign_list
from services.ca.model.ids import SERIAL_OCTETS, serial_number
from services.ca.model.subject import Authority

NOW: Final = datetime.now(UTC).replace(microsecond=0)
DAYS: Final = 365


@dataclass(frozen=True)
class Measured:
    """What was seen; times in seconds, memory in MB."""

    entries: int
    octets: int
    entries_s: float
    read_s: float
    sign_s: float
    above_mb: float
    judges: Mapping[str, float]

    def __str__(self) -> str:
        judged = "".join(f"\n{name}: {seconds:.2f} s" for name, seconds in self.judges.items())
        return (
            f"{self.entries:,} entries, {self.octets:,} octets\n"
            f"encoding all entries once: {self.entries_s:.1f} s ({1e6 * self.entries_s / self.entries:.1f} µs each)\n"
            f"reading all entries once, when their pages come into memory: {self.read_s:.2f} s\n"
            f"signing and checking an edition of entries that were read: {self.sign_s:.2f} s\n"
            f"memory above the entries while signing: {self.above_mb:.0f} MB{judged}"
        )


def measure(entries: int) -> Measured:
    """Build a list and let OpenSSL read it (GnuTLS takes many minutes for a million); a refusal ends the run."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = Issuer.root("issuing", Authority(organisation="Bench", common_name="Bench"), key.public_key())
    began = time.perf_counter()
    encoded = [
        b"".join(
            entry(serial_number(os.urandom(SERIAL_OCTETS)), NOW - timedelta(days=day), "superseded")
            for _ in range(entries // DAYS)
        )
        for day in range(DAYS)
    ]
    entries_s = time.perf_counter() - began
    began = time.perf_counter()
    pages = [RevokedEntries.read(each) for each in encoded]
    read_s = time.perf_counter() - began
    before = _peak_mb()
    edition = CrlFields(
        number=1, url="http://pki.test.kz/issuing/crl/0.crl", this_update=NOW, lifetime=signing.LIFETIME
    )
    began = time.perf_counter()
    frame = sign_list(pages, edition, issuer, key)
    signed = time.perf_counter() - began
    above = _peak_mb() - before
    der = b"".join((frame.before, *encoded, frame.after))
    count = entries // DAYS * DAYS
    return Measured(count, len(der), entries_s, read_s, signed, above, _judged(der, key.public_key()))


def _judged(der: bytes, key: ec.EllipticCurvePublicKey) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path, public = Path(folder) / "list.crl", Path(folder) / "key.pem"
        path.write_bytes(der)
        public.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        commands = {
            "openssl crl": ["openssl", "crl", "-inform", "DER", "-in", str(path), "-noout", "-crlnumber"],
        }
        return {name: _timed(command) for name, command in commands.items()}


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return time.perf_counter() - began


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    sys.stdout.write(f"{measure(parser.parse_args().entries)}\n")


if __name__ == "__main__":
    main()
