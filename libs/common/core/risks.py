"""What production refuses to start with: settings that work, and that an attacker would like.

`ServiceSettings.risks` and those of each service are the one list. An operator who has a reason accepts one by its
name; nothing is accepted by default.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

_FEWEST_OCTETS: Final = 16
"""Distinct ones in a key of 32 random bytes: fewer come by chance once in ten million keys."""


@dataclass(frozen=True, slots=True)
class Risk:
    """A setting that production does not take: its name, and what it means and what to do."""

    name: str
    sentence: str


def refuse_risks(risks: Iterable[Risk], accepted: str) -> None:
    """Refuse what is not accepted by name.

    Raises:
        ValueError: with a sentence for each; or a name is accepted that is no risk here, so that none goes stale.
    """
    found = {risk.name: risk for risk in risks}
    names = {name.strip() for name in accepted.split(",") if name.strip()}
    if stale := names - found.keys():
        raise ValueError(f"accepted_risks names what is no risk here: {', '.join(sorted(stale))}")
    if left := [risk for name, risk in found.items() if name not in names]:
        sentences = "; ".join(f"{risk.sentence} (or accept {risk.name})" for risk in left)
        raise ValueError(f"production does not start with this: {sentences}")


def plain_addresses(**addresses: str | None) -> Iterator[Risk]:
    """Return a risk for each outside system, by the name of its setting, that is reached without TLS."""
    for name, address in addresses.items():
        if address is not None and urlsplit(address).scheme != "https":
            yield Risk(f"{name.removesuffix('_url')}-plaintext", f"personal data reach {name} without TLS: use https")


def encrypted_store(uri: str) -> bool:
    """Return whether a MongoDB address asks for TLS; ``mongodb+srv`` does unless it says otherwise."""
    parts = urlsplit(uri)
    options = {name.lower(): values[-1].lower() for name, values in parse_qs(parts.query).items()}
    asked = options.get("tls", options.get("ssl", "true" if parts.scheme == "mongodb+srv" else "false"))
    return asked == "true"


def weak_keyring(sealing: str) -> bool:
    """Return whether a key of a keyring, as `Keyring.parse` reads it, is made of few different octets."""
    data = json.loads(sealing)
    keys = [key for versions in data["keys"].values() for key in versions.values()]
    return any(len(set(base64.b64decode(key))) < _FEWEST_OCTETS for key in (*keys, data["blind"]))
