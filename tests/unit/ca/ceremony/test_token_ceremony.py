"""The ceremony and the service with keys in tokens: the root's on one that is put away, all others on another."""

from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_bytes
from time import monotonic

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import ocsp

from libs.common.core.health import Health
from libs.common.core.values import utc_now
from libs.common.web.http import create_app
from services.ca.authority.hierarchy import TSA, Hierarchy, ocsp_label
from services.ca.ceremony.steps import hold
from services.ca.keys.configured import service_keys
from services.ca.keys.store import KeyStoreError, require_ec
from services.ca.keys.token_session import TokenUnavailableError
from services.ca.model.profiles import Publication
from services.ca.problems import PROBLEMS
from services.ca.settings import Settings
from services.ca.texts import TEXTS
from services.ca.timestamp import stamping
from services.ca.timestamp.api import TimeStamping, tsa_routes
from services.ca.timestamp.clock import WatchedClock
from services.ca.timestamp.stamping import TimeStampAuthority
from tests.unit.ca.hierarchies import SEAL_PASSPHRASE, CertificationAuthority
from tests.unit.ca.judges import run
from tests.unit.ca.ocsp_harness import OcspHost
from tests.unit.ca.office import JOURNEY, METRICS, World, csr, key
from tests.unit.ca.signing import TSA_POLICY
from tests.unit.ca.token import MODULE, PIN, SoftToken, new_token, restart

BASE_URL = "http://pki.test.kz/pki"
CONFIGURATION = f"""
organisation = "Сынақ куәландырушы орталығы"
bin = "000740000728"
base_url = "{BASE_URL}"
witnesses = ["A. Ashimov, auditor", "B. Bekov, security officer"]
[token]
module = "{MODULE}"
label = "online"
root_label = "offline"
[root]
name = "Token Root R1 (test)"
[[issuing]]
label = "issuing"
name = "Token Issuing I1 (test)"
key = "P-256"
[[issuing]]
label = "issuing-rsa"
name = "Token Issuing I2 (test)"
key = "RSA-2048"
[seal]
name = "Мөр"
"""
SECRETS = {
    "CA_KEYSTORE_PASSPHRASE": "a passphrase for tests alone",
    "CA_SEAL_PASSPHRASE": SEAL_PASSPHRASE,
    "CA_TOKEN_PIN": PIN.get_secret_value(),
    "CA_ROOT_TOKEN_PIN": PIN.get_secret_value(),
}


class Installed:
    """What a ceremony with tokens leaves behind."""

    def __init__(self, folder: Path) -> None:
        self.online = new_token(folder / "hsm", "online")
        self.offline = new_token(folder / "hsm", "offline")
        self.config = folder / "ceremony.toml"
        self.config.write_text(CONFIGURATION, encoding="utf-8")
        self.home = folder / "ca"
        self.hierarchy = self.hold()

    def hold(self, **secrets: str) -> Hierarchy:
        return hold(self.config, self.home, self.home / "keys", SECRETS | secrets)

    def settings(self) -> Settings:
        """What the running service is told: of the online token alone."""
        return Settings.model_construct(
            directory=self.home,
            token_module=MODULE,
            token_label="online",  # noqa: S106 - a name
            token_pin=PIN,
            base_url=BASE_URL,
        )

    def authority(self) -> CertificationAuthority:
        keys = service_keys(self.settings())
        labels = [each.label for each in self.hierarchy.generations]
        issuing = {label: keys.load(label) for label in labels}
        responders = {label: keys.load(ocsp_label(label)) for label in labels}
        return CertificationAuthority(self.home, self.hierarchy, Publication(BASE_URL), issuing, responders)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("tokens"))


def labels_in(token: SoftToken) -> set[str]:
    return {each.label for each in token.raw().get_objects()}  # type: ignore[attr-defined]  # every key object has one


def test_the_roots_key_is_on_a_token_of_its_own_and_only_the_seals_is_a_file(installed: Installed) -> None:
    responders = {ocsp_label(each.label) for each in installed.hierarchy.generations}
    assert labels_in(installed.offline) == {"root"}
    assert labels_in(installed.online) == {"issuing", "issuing-rsa", "tsa"} | responders
    assert [path.name for path in (installed.home / "keys").iterdir()] == ["seal.key"]


def test_openssl_accepts_every_certificate_that_the_tokens_signed(installed: Installed) -> None:
    home, strict = installed.home, ("openssl", "verify", "-x509_strict", "-CAfile", installed.home / "root.pem")
    for each in installed.hierarchy.generations:
        run(*strict, "-crl_check", "-CRLfile", home / "root-crl.pem", home / f"{each.label}.pem")
    for label in ("seal", "tsa"):
        run(*strict, "-untrusted", home / "issuers.pem", home / f"{label}.pem")


def test_held_again_the_ceremony_finds_everything_in_its_token(installed: Installed) -> None:
    before = {path: path.read_bytes() for path in installed.home.rglob("*") if path.is_file()}

    assert installed.hold() == installed.hierarchy
    assert {path: path.read_bytes() for path in installed.home.rglob("*") if path.is_file()} == before


def test_without_a_pin_the_ceremony_says_which(installed: Installed) -> None:
    for name in ("CA_TOKEN_PIN", "CA_ROOT_TOKEN_PIN", "CA_KEYSTORE_PASSPHRASE"):
        with pytest.raises(KeyStoreError, match=f"give it as {name}"):
            installed.hold(**{name: ""})


def test_the_transcript_names_the_witnesses_and_no_secret(installed: Installed) -> None:
    text = (installed.home / "ceremony.txt").read_text(encoding="utf-8")
    assert "______  A. Ashimov, auditor" in text
    for each in (installed.hierarchy.root, installed.hierarchy.seal):
        assert f"{each.serial_number:x}" in text
    assert not [secret for secret in SECRETS.values() if secret in text]


def test_the_service_starts_with_the_roots_token_put_away(installed: Installed) -> None:
    restart()
    installed.offline.take_out()
    try:
        assert installed.authority().key.public_key() == installed.authority().issuing.public_key()
        with pytest.raises(TokenUnavailableError, match="offline"):
            installed.hold()
    finally:
        installed.offline.put_back()


def test_without_its_pin_the_service_says_so(installed: Installed) -> None:
    with pytest.raises(KeyStoreError, match="give it as CA_TOKEN_PIN"):
        service_keys(installed.settings().model_copy(update={"token_pin": None}))


async def opened(installed: Installed, now: datetime) -> OcspHost:
    world = World(now=now)
    counter = await OcspHost(world, installed.authority(), in_token=True).open()
    await counter.lists.start()
    await counter.opened()
    requests = (csr(rsa.generate_private_key(65537, 2048)), csr(key(1)))
    await counter.request(JOURNEY, requests[0], requests[1])
    return counter


async def test_citizens_certificates_are_signed_in_the_token_by_both_kinds_of_key(
    installed: Installed, tmp_path: Path
) -> None:
    counter = await opened(installed, utc_now())
    await counter.wake_due()

    for each in await counter.certificates():
        (tmp_path / "one.pem").write_text(each.text.value.pem)
        run("openssl", "verify", "-x509_strict", "-CAfile", installed.home / "root.pem", "-untrusted",
            installed.home / "issuers.pem", tmp_path / "one.pem")  # fmt: skip
        certificate = x509.load_pem_x509_certificate(each.text.value.pem.encode())
        above = installed.hierarchy.generation(each.issuer).certificate
        answer = await counter.asked(counter.question(certificate, issuer=above))
        assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD


async def test_issuing_waits_while_the_token_is_away_and_goes_on_when_it_is_back(installed: Installed) -> None:
    counter = await opened(installed, utc_now())
    installed.online.take_out()
    try:
        with pytest.raises(TokenUnavailableError):
            await counter.wake_due()
        assert await counter.state() == "issuing"
        question = counter.question(installed.hierarchy.seal, issuer=installed.hierarchy.generations[0].certificate)
        assert (await counter.asked(question)).response_status is ocsp.OCSPResponseStatus.TRY_LATER
    finally:
        installed.online.put_back()
    counter.world.now += timedelta(minutes=1)
    await counter.wake_due()

    assert len(await counter.certificates()) == 2
    assert len(counter.world.sent("cert.issued")) == 2


async def test_the_time_stamp_authority_stamps_with_its_key_in_the_token(installed: Installed, tmp_path: Path) -> None:
    """End to end: over HTTP, judged by OpenSSL, with the token taken out between two stamps."""
    key = require_ec(service_keys(installed.settings()).load(TSA), TSA)
    authority = TimeStampAuthority(installed.hierarchy.tsa, key, TSA_POLICY, timedelta(milliseconds=500))
    watched = WatchedClock(utc_now, monotonic, timedelta(seconds=5))
    app = create_app(
        "ca",
        metrics=METRICS,
        problems=PROBLEMS,
        texts=TEXTS,
        health=Health(),
        routers=[tsa_routes(TimeStamping(authority, watched, token_bytes))],
    )
    (tmp_path / "data").write_bytes(b"what is stamped")
    run("openssl", "ts", "-query", "-data", tmp_path / "data", "-sha384", "-cert", "-out", tmp_path / "query")
    query = (tmp_path / "query").read_bytes()

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ca") as http:
        first = (await http.post("/pki/tsa", content=query)).content
        installed.online.take_out()
        try:
            refused = (await http.post("/pki/tsa", content=query)).content
        finally:
            installed.online.put_back()
        second = (await http.post("/pki/tsa", content=query)).content

    for answer in (first, second):
        (tmp_path / "reply").write_bytes(answer)
        said = run("openssl", "ts", "-verify", "-queryfile", tmp_path / "query", "-in", tmp_path / "reply", "-CAfile",
                   installed.home / "root.pem", "-untrusted", installed.home / "issuers.pem")  # fmt: skip
        assert "Verification: OK" in said
    assert refused == stamping.encode_refusal(stamping.TimeStampFailure.SYSTEM_FAILURE)
