"""What the deployment's files tell each container: its variables, and which folder lies where in it."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from libs.common.core.settings import ServiceSettings
from services.biometrics.settings import BiometricsSettings
from services.ca.settings import Settings as CaSettings
from services.identity.settings import Settings as IdentitySettings
from services.kandas.settings import Settings as KandasSettings
from services.otp.settings import Settings as OtpSettings

DEPLOY: Final = Path(__file__).parents[3] / "deploy"
SETTINGS: Final[Mapping[str, type[ServiceSettings]]] = {
    "identity": IdentitySettings,
    "otp": OtpSettings,
    "biometrics": BiometricsSettings,
    "ca": CaSettings,
    "kandas": KandasSettings,
}
COMPOSED: Final = "../var/compose/"


@dataclass(frozen=True)
class Container:
    """Variables as they are written, and per folder in the container the folder of the installation behind it."""

    variables: Mapping[str, str]
    mounts: Mapping[str, Path]

    def outside(self, path: str) -> Path | None:
        """Give the file of the installation that the container sees under this path; None: it is on no mount."""
        for inside, folder in self.mounts.items():
            if Path(path).is_relative_to(inside):
                return folder / Path(path).relative_to(inside)
        return None


def composed(installation: Path) -> Mapping[str, Container]:
    """Read compose.yaml."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return {name: _composed(services[name], installation) for name in SETTINGS}


def _composed(service: Mapping[str, Any], installation: Path) -> Container:
    volumes = [volume.split(":") for volume in service["volumes"]]
    mounts = {inside: installation / outside.removeprefix(COMPOSED) for outside, inside, *_ in volumes}
    return Container({name: str(value) for name, value in service["environment"].items()}, mounts)


def rendered(overlay: str, installation: Path) -> Mapping[str, Container]:
    """Read an overlay as kubectl renders it. Skips the test where there is no kubectl."""
    resources = _resources(overlay)
    maps = {each["metadata"]["name"]: each["data"] for each in resources if each["kind"] == "ConfigMap"}
    pods = {
        each["metadata"]["labels"]["app.kubernetes.io/name"]: each["spec"]["template"]["spec"]
        for each in resources
        if each["kind"] == "Deployment" and "labels" in each["metadata"]
    }
    return {name: _rendered(pods[name], maps, installation) for name in SETTINGS}


def scheduled(overlay: str, installation: Path) -> Mapping[str, Container]:
    """Read the jobs of an overlay that run by the clock, by name."""
    resources = _resources(overlay)
    maps = {each["metadata"]["name"]: each["data"] for each in resources if each["kind"] == "ConfigMap"}
    jobs = [each for each in resources if each["kind"] == "CronJob"]
    pods = {each["metadata"]["name"]: each["spec"]["jobTemplate"]["spec"]["template"]["spec"] for each in jobs}
    return {name: _rendered(pod, maps, installation) for name, pod in pods.items()}


@cache
def _resources(overlay: str) -> Sequence[Any]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip(f"kubectl is not installed, so what the overlay {overlay} comes to was not looked at")
    folder = DEPLOY / "k8s" / "overlays" / overlay
    text = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, check=True, text=True).stdout
    return list(yaml.load_all(text, Loader=yaml.CSafeLoader))


def _rendered(pod: Mapping[str, Any], maps: Mapping[str, Mapping[str, str]], installation: Path) -> Container:
    (container,) = pod["containers"]
    variables = {
        source["prefix"] + name: value
        for source in container["envFrom"]
        for name, value in maps[source["configMapRef"]["name"]].items()
    }
    sources = {volume["name"]: installation / folder for volume in pod["volumes"] for folder in _behind(volume)}
    mounts = {
        mount["mountPath"]: sources[mount["name"]] for mount in container["volumeMounts"] if mount["name"] in sources
    }
    return Container(variables, mounts)


def _behind(volume: Mapping[str, Any]) -> Iterator[str]:
    """Name the folder that a Secret is made from (docs/operations.md), or that the ceremony fills a claim with."""
    folders = {"authority": "ca", "authority-keys": "ca-keys", **{name: f"keys/{name}" for name in SETTINGS}}
    if "secret" in volume:
        yield folders[volume["secret"]["secretName"]]
    elif "persistentVolumeClaim" in volume:
        yield folders[volume["persistentVolumeClaim"]["claimName"]]
