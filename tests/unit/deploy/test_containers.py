"""Each service is told what its settings ask for: by compose, and by both overlays of the cluster.

The files behind the variables are those that `deploy.keys` and the key ceremony make; a variable that is missing,
misspelt, or names a file that is not there, fails here instead of at the first start.
"""

import shutil
import ssl
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from deploy.keys import make_keys
from libs.common.core.settings import ServiceSettings
from libs.common.core.values import utc_now
from services.ca.authority.hierarchy import load
from services.ca.ceremony import steps as ceremony
from services.ca.keys.configured import service_keys
from services.ca.settings import Settings as CaSettings
from services.kandas.documents.seal import Seal
from services.kandas.settings import Settings as KandasSettings
from tests.unit.deploy.containers import DEPLOY, SETTINGS, Container, composed, rendered, scheduled

WAYS: Mapping[str, Callable[[Path], Mapping[str, Container]]] = {
    "compose": composed,
    "dev": partial(rendered, "dev"),
    "production": partial(rendered, "production"),
}
OPERATORS_FILES = {
    "mongo-uri": "mongodb://store.example/?tls=true",
    **dict.fromkeys(("register-token", "mcb-token", "sms-token", "ministry-token", "kafka-password"), "t0ken"),
}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys, the ceremony's files, and what an operator adds."""
    folder = tmp_path_factory.mktemp("installation")
    make_keys(folder / "keys")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("keystore-passphrase", "seal-passphrase"):
            patch.setenv(f"CA_{name.replace('-', '_').upper()}", (folder / "keys" / "ca" / name).read_text())
        given = ["--config", str(DEPLOY / "ceremony.toml"), "--dir", str(folder / "ca"), "--keys"]
        assert ceremony.main([*given, str(folder / "ca-keys")]) == 0
    for service in SETTINGS:
        for name, content in OPERATORS_FILES.items():
            (folder / "keys" / service / name).write_text(content)
        shutil.copy(folder / "ca" / "root.pem", folder / "keys" / service / "kafka-ca.pem")  # any authority's will do
        jwks = (folder / "keys" / service / "identity-jwks.json").read_text()
        (folder / "keys" / service / "staff-jwks.json").write_text(jwks)
    return folder


@pytest.fixture(params=WAYS)
def containers(request: pytest.FixtureRequest, installation: Path) -> Mapping[str, Container]:
    return WAYS[request.param](installation)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Container], ServiceSettings]:
    def read(service: str, container: Container) -> ServiceSettings:
        for name, value in container.variables.items():
            monkeypatch.setenv(name, str(container.outside(value) or value))
        return SETTINGS[service]()

    return read


Start = Callable[[str, Container], ServiceSettings]


@pytest.mark.parametrize("service", SETTINGS)
def test_a_service_starts_from_what_it_is_told(service: str, containers: Mapping[str, Container], start: Start) -> None:
    start(service, containers[service])


@pytest.mark.parametrize("service", SETTINGS)
def test_every_variable_is_one_the_service_reads(service: str, containers: Mapping[str, Container]) -> None:
    known = set(variables_of(SETTINGS[service]))
    assert set(containers[service].variables) <= known


@pytest.mark.parametrize("service", SETTINGS)
def test_every_file_it_is_told_of_is_there(service: str, containers: Mapping[str, Container]) -> None:
    container = containers[service]
    named = [value for value in container.variables.values() if value.startswith("/")]
    in_image = [value for value in named if container.outside(value) is None]
    files = [container.outside(value) for value in named if value not in in_image]
    assert all(file is not None and file.exists() for file in files)
    assert all(f" {value}\n" in (DEPLOY / "Dockerfile").read_text() for value in in_image)


@pytest.mark.parametrize("service", SETTINGS)
def test_without_its_sealing_keys_no_service_starts(
    service: str, containers: Mapping[str, Container], start: Start
) -> None:
    container = containers[service]
    fewer = {name: value for name, value in container.variables.items() if not name.endswith("SEALING_FILE")}
    with pytest.raises(ValidationError):
        start(service, Container(fewer, container.mounts))


@pytest.mark.parametrize("service", SETTINGS)
def test_secrets_are_files_and_no_variables(service: str, containers: Mapping[str, Container]) -> None:
    prefix = prefix_of(SETTINGS[service])
    fields = SETTINGS[service].model_fields.items()
    secret = {f"{prefix}{name}".upper() for name, field in fields if "SecretStr" in str(field.annotation)}
    given = {name: value for name, value in containers[service].variables.items() if name in secret}
    # The stores of trial installations ask nobody who is there.
    assert given in ({}, {f"{prefix}MONGO_URI": "mongodb://mongo:27017"})


@pytest.mark.parametrize("overlay", ["dev", "production"])
def test_the_daily_check_is_told_what_the_authority_is_told_and_sees_no_keys(
    overlay: str, installation: Path, start: Start
) -> None:
    checking, service = scheduled(overlay, installation)["ca-check"], rendered(overlay, installation)["ca"]

    assert checking.variables == service.variables
    settings = start("ca", checking)
    assert isinstance(settings, CaSettings)
    assert load(settings.directory, utc_now()).generations
    assert checking.outside(service.variables["CA_KEYSTORE"]) is None


def test_the_authority_opens_its_keys_and_kandas_its_seal(containers: Mapping[str, Container], start: Start) -> None:
    ca, kandas = start("ca", containers["ca"]), start("kandas", containers["kandas"])
    assert isinstance(ca, CaSettings)
    assert isinstance(kandas, KandasSettings)
    store = service_keys(ca)
    for each in load(ca.directory, utc_now()).generations:
        assert store.load(each.label).public_key() == each.issuer.public_key
    assert Seal.from_file(kandas.seal_file, kandas.seal_passphrase.get_secret_value())


@pytest.mark.parametrize("way", ["compose", "dev"])
def test_trial_certificates_point_to_where_the_authority_says_it_publishes(way: str, installation: Path) -> None:
    named = tomllib.loads((DEPLOY / "ceremony.toml").read_text())["base_url"]
    assert WAYS[way](installation)["ca"].variables["CA_BASE_URL"] == named


def test_in_production_nothing_of_development_is_left(installation: Path) -> None:
    for service, container in WAYS["production"](installation).items():
        assert container.variables[f"{service.upper()}_PROFILE"] == "production"
        assert not [name for name in container.variables if "DEVELOPMENT" in name]


def test_in_production_services_prove_themselves_to_the_broker_over_tls(installation: Path, start: Start) -> None:
    for service, container in WAYS["production"](installation).items():
        options = start(service, container).kafka_access.options()
        assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
        assert options["sasl_plain_username"] == service
        assert options["ssl_context"].verify_mode is ssl.CERT_REQUIRED


def test_what_the_cluster_is_configured_with_is_spelt_as_the_settings_are() -> None:
    common = set.intersection(*(set(unprefixed(kind)) for kind in SETTINGS.values()))
    for file in (DEPLOY / "k8s").rglob("*.env"):
        owner = next((name for name in SETTINGS if name in (file.parent.name, file.stem)), None)
        assert set(names_in(file)) <= (set(unprefixed(SETTINGS[owner])) if owner else common), file


def test_secret_files_of_the_cluster_are_listed_for_operators(installation: Path) -> None:
    guide = (DEPLOY.parent / "docs" / "operations.md").read_text()
    for container in WAYS["production"](installation).values():
        files = [container.outside(value) for value in container.variables.values()]
        assert [file.name for file in files if file and file.is_file() and f"`{file.name}`" not in guide] == []


def names_in(file: Path) -> Iterator[str]:
    for line in file.read_text().splitlines():
        if line and not line.startswith("#"):
            yield line.split("=")[0]


def unprefixed(kind: type[ServiceSettings]) -> Iterator[str]:
    return (name.removeprefix(prefix_of(kind)) for name in variables_of(kind))


def variables_of(kind: type[ServiceSettings]) -> Iterator[str]:
    """Name every variable that settings of this kind read, those of files and of nested rules too."""
    for name, field in kind.model_fields.items():
        variable = f"{prefix_of(kind)}{name}".upper()
        yield from (variable, f"{variable}_FILE")
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from (f"{variable}__{inner}".upper() for inner in field.annotation.model_fields)


def prefix_of(kind: type[ServiceSettings]) -> str:
    return str(kind.model_config.get("env_prefix"))
