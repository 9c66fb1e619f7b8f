"""A token in software for tests: SoftHSM2 on a folder of its own. Without the package these tests fail, never pass."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pkcs11
from pydantic import SecretStr

from services.ca.keys.token_keys import TokenKeys
from services.ca.keys.token_session import TokenSession

MODULE: Final = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN: Final = SecretStr("4711")


@dataclass(frozen=True)
class SoftToken:
    """One token: ``folder`` holds its objects; moving it away takes the token out."""

    folder: Path
    label: str

    def session(self, pin: SecretStr = PIN) -> TokenSession:
        return TokenSession(MODULE, self.label, pin)

    def keys(self, pin: SecretStr = PIN) -> TokenKeys:
        return TokenKeys(self.session(pin))

    def raw(self) -> pkcs11.Session:
        """Another program's session, as it were, in this process."""
        token = pkcs11.lib(str(MODULE)).get_token(token_label=self.label)
        try:
            return token.open(rw=True, user_pin=PIN.get_secret_value())
        except pkcs11.UserAlreadyLoggedIn:
            return token.open(rw=True)

    def take_out(self) -> None:
        self.folder.rename(self._away)
        restart()

    def put_back(self) -> None:
        self._away.rename(self.folder)
        restart()

    @property
    def _away(self) -> Path:
        return self.folder.parents[1] / self.folder.name


def restart() -> None:
    """Have the module look again; every session and login is gone then, as after a loss of power."""
    pkcs11.lib(str(MODULE)).reinitialize()


def new_token(folder: Path, label: str) -> SoftToken:
    """Make a token, beside others of this folder."""
    tokens = folder / "tokens"
    tokens.mkdir(parents=True, exist_ok=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    before = set(tokens.iterdir())
    command = ("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "so-pin", "--pin", "4711")
    subprocess.run(command, check=True, capture_output=True, timeout=90)
    (made,) = set(tokens.iterdir()) - before
    restart()
    return SoftToken(made, label)
