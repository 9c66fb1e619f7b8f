"""An installation of the five services on one machine: its keys, its authority, and what each service reads.

Everything that must not be known lies in ``folder``, readable by its owner only, and is made at the first start.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from deploy.embedded.process import LOOPBACK
from deploy.embedded.staff import staff_issuer
from deploy.keys import make_keys
from libs.citizen.api.services import Endpoints
from libs.common.testing.trial_keys import STAFF_ISSUER, StaffIssuer
from services.ca.ceremony.steps import hold

SERVICES: Final = ("identity", "otp", "biometrics", "ca", "kandas")
FIRST_PORT: Final = 8001
_CEREMONY: Final = Path(__file__).parents[1] / "ceremony.toml"


def usual_ports() -> dict[str, int]:
    """Give the ports that people find written down: 8001 to 8005."""
    return {name: FIRST_PORT + place for place, name in enumerate(SERVICES)}


@dataclass(frozen=True)
class Installation:
    """What the services of one machine read.

    Args:
        folder: where keys and certificates lie.
        kafka: ``host:port`` of the broker.
        mongo_uri: of the store.
        ports: of each service, on the loopback.
        idempotence: whether the broker speaks idempotent producing; the embedded one does not.
        models: where `make models` put the face models.
        profile: ``development``, or ``bench`` to answer face checks by a stub.
        publication: where certificates say that lists and answers are; None: at the authority's own port.
        people: whom the development register knows; None: the invented people that come with identity.
        prefix: before the names of the databases, where several installations share a store.
    """

    folder: Path
    kafka: str
    mongo_uri: str
    ports: dict[str, int] = field(default_factory=usual_ports)
    idempotence: bool = False
    models: Path = Path("var/models")
    profile: str = "development"
    prefix: str = ""
    people: Path | None = None
    publication: str | None = None

    @cached_property
    def staff(self) -> StaffIssuer:
        """Whoever makes tokens for clerks and officers."""
        return staff_issuer(self.folder / "keys" / "staff")

    @property
    def authority(self) -> Path:
        """Where the certificates of the authorities lie."""
        return self.folder / "ca"

    @property
    def endpoints(self) -> Endpoints:
        """Where citizens find the services."""
        return Endpoints(**{name: f"http://{LOOPBACK}:{port}" for name, port in self.ports.items()})  # type: ignore[arg-type]  # only addresses are given

    def prepare(self) -> None:
        """Make the keys and hold the key ceremony; what is there already is verified and kept.

        Raises:
            HierarchyError, KeyStoreError: what is there does not hold together.
        """
        make_keys(self.folder / "keys")
        secrets = {
            "CA_KEYSTORE_PASSPHRASE": self._secret("ca", "keystore-passphrase"),
            "CA_SEAL_PASSPHRASE": self._secret("ca", "seal-passphrase"),
        }
        hold(_CEREMONY, self.authority, self.authority / "keys", secrets, base_url=self._publication)

    def environment(self, service: str) -> dict[str, str]:
        """Give the environment variables that a service reads."""
        settings = {
            "profile": self.profile,
            "kafka": self.kafka,
            "kafka_idempotence": str(self.idempotence).lower(),
            "kafka_fetch_wait_ms": "500" if self.idempotence else "20",
            "mongo_uri": self.mongo_uri,
            "mongo_database": f"{self.prefix}{service}",
            "sealing_file": str(self._file(service, "sealing")),
            "http_host": LOOPBACK,
            "http_port": str(self.ports[service]),
            "identity_jwks": str(self._file(service, "identity-jwks.json")),
            "event_key_file": str(self._file(service, "event.pem")),
            "event_jwks": str(self._file(service, "event-jwks.json")),
            "staff_jwks": self.staff.jwks,
            "staff_issuer": STAFF_ISSUER,
            **self._own(service),
        }
        return {f"{service}_{name}".upper(): value for name, value in settings.items()}

    def _own(self, service: str) -> dict[str, str]:
        match service:
            case "identity":
                people = {} if self.people is None else {"development_people": str(self.people.resolve())}
                # A PIN's hash is dear on purpose; a benchmark of messaging would measure little else.
                cheap = {"pin_hash__memory_kib": "64", "pin_hash__passes": "1"} if self.profile == "bench" else {}
                return {"token_key_file": str(self._file(service, "token.pem")), **people, **cheap}
            case "biometrics":
                analyser = "stub" if self.profile == "bench" else "models"
                return {"models": str(self.models.resolve()), "analyser": analyser}
            case "ca":
                return {
                    "directory": str(self.authority),
                    "keystore_passphrase_file": str(self._file(service, "keystore-passphrase")),
                    "base_url": self._publication,
                }
            case "kandas":
                return {
                    "root_certificates": str(self.authority / "root.pem"),
                    "issuing_certificates": str(self.authority / "issuers.pem"),
                    "seal_file": str(self.authority / "seal.p12"),
                    "revoked_certificates": str(self.authority / "revoked.json"),
                    "seal_passphrase_file": str(self._file(service, "seal-passphrase")),
                    "verify_url": f"http://{LOOPBACK}:{self.ports[service]}/v1/documents",
                }
            case _:
                return {}

    @property
    def _publication(self) -> str:
        return self.publication or f"http://{LOOPBACK}:{self.ports['ca']}/pki"

    def _file(self, service: str, name: str) -> Path:
        return (self.folder / "keys" / service / name).resolve()

    def _secret(self, service: str, name: str) -> str:
        return self._file(service, name).read_text()
