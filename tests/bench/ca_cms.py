"""CMS verifications by processor time, ours beside pyHanko and `openssl cms`: `python -m tests.bench.ca_cms`.

The same question for all three: is this detached CAdES-BES signature over this document good, and does its certificate
chain to our root at this time. Revocation is nobody's question here. Each signature is by another citizen's
certificate, so that nothing remembered helps. One OpenSSL process verifies one signature, as its command line does.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

from asn1crypto import cms as asn1_cms  # type: ignore[import-untyped]  # it ships no types
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.sign.validation.generic_cms import async_validate_detached_cms
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext

from libs.common.pki.cms import verify_detached
from libs.common.pki.trust import TrustAnchors
from tests.bench.measure import own_cpu_s
from tests.unit.ca.hierarchies import NOW, CertificationAuthority, establish
from tests.unit.ca.signing import DATA, PrivateKey, Signer

CITIZENS = 24
ROUNDS = 5
SECONDS = 1.5
HEAD = """| key | ours /cpu-s | pyHanko /cpu-s | openssl cms /cpu-s | ours to pyHanko | ours to openssl |
|---|---|---|---|---|---|"""
KINDS: dict[str, Callable[[], PrivateKey]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
}


@dataclass(frozen=True)
class Rates:
    """Verifications per second of one processor, of one round."""

    ours: float
    pyhanko: float
    openssl: float


@dataclass(frozen=True)
class Result:
    """All rounds with one kind of key."""

    kind: str
    rounds: tuple[Rates, ...]

    def __str__(self) -> str:
        def shown(pick: Callable[[Rates], float]) -> str:
            values = [pick(each) for each in self.rounds]
            return f"{median(values):,.1f} ({min(values):,.1f} to {max(values):,.1f})"

        return (
            f"| {self.kind} | {shown(lambda it: it.ours)} | {shown(lambda it: it.pyhanko)} "
            f"| {shown(lambda it: it.openssl)} | {shown(lambda it: it.ours / it.pyhanko)} "
            f"| {shown(lambda it: it.ours / it.openssl)} |"
        )


class Ground:
    """An authority, citizens' signatures, and the three who verify them."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._authority = establish(folder / "authority")
        self._folder = folder
        signers = [_citizen(self._authority, KINDS[kind](), folder) for _ in range(CITIZENS)]
        self._signatures = [each.cms() for each in signers]
        self._trust: TrustAnchors = self._authority.trust
        self._root = _asn1(self._authority.hierarchy.root)
        self._issuing = [_asn1(each.certificate) for each in self._authority.hierarchy.generations]
        (folder / "data").write_bytes(DATA)
        (folder / "chain.pem").write_bytes(self._authority.hierarchy.chain_pem)
        for number, signature in enumerate(self._signatures):
            (folder / f"{number}.p7s").write_bytes(signature)

    def measure(self, seconds: float) -> Rates:
        """Let each of them verify for so long, one after the other."""
        with asyncio.Runner() as runner:
            return Rates(
                ours=_rate(self._ours, seconds),
                pyhanko=_rate(lambda number: runner.run(self._pyhanko(number)), seconds),
                openssl=_rate(self._openssl, seconds, children=True),
            )

    def _ours(self, number: int) -> None:
        verify_detached(self._signatures[number], DATA, self._trust, NOW)

    async def _pyhanko(self, number: int) -> None:
        context = ValidationContext(
            trust_roots=[self._root],
            other_certs=self._issuing,
            moment=NOW,
            allow_fetching=False,
            revocation_mode="soft-fail",
        )
        status = await async_validate_detached_cms(
            DATA,
            asn1_cms.ContentInfo.load(self._signatures[number])["content"],
            signer_validation_context=context,
            key_usage_settings=KeyUsageConstraints(key_usage={"non_repudiation"}),
        )
        if not (status.intact and status.valid and status.trusted):
            raise ValueError("pyHanko does not find the signature good")

    def _openssl(self, number: int) -> None:
        subprocess.run(
            ["openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", self._folder / f"{number}.p7s",
             "-content", self._folder / "data", "-CAfile", self._folder / "chain.pem", "-attime",
             str(int(NOW.timestamp())), "-purpose", "any", "-out", "/dev/null"],
            check=True, capture_output=True,
        )  # fmt: skip


def measure(kind: str, rounds: int = ROUNDS, seconds: float = SECONDS) -> Result:
    """Measure one kind of key, all three in every round."""
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder), kind)
        return Result(kind, tuple(ground.measure(seconds) for _ in range(rounds)))


def _rate(verify: Callable[[int], object], seconds: float, *, children: bool = False) -> float:
    used = _children_cpu_s if children else own_cpu_s
    numbers = cycle(range(CITIZENS))
    verify(next(numbers))
    began, count = used(), 0
    while used() - began < seconds:
        verify(next(numbers))
        count += 1
    return count / (used() - began)


def _children_cpu_s() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _citizen(authority: CertificationAuthority, key: PrivateKey, folder: Path) -> Signer:
    return Signer(authority.issue(authority.order(key.public_key())), key, folder)


def _asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ca_cms", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of processor time, for each in each round")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # pyHanko's, about revocation that is not asked for
    sys.stdout.write(f"{HEAD}\n")
    for kind in KINDS:
        sys.stdout.write(f"{measure(kind, given.rounds, given.seconds)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
