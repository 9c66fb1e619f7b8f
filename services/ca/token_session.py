"""A logged-in session with a PKCS#11 token, mended when it breaks.

Calls are made one at a time: the binding initialises a module without telling it to expect several threads
(C_Initialize without arguments; PKCS#11 v2.40, 5.4), so nothing would protect the module from them. What bounds a
process is therefore the time that the token takes for a signature; more replicas sign side by side.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Final, TypeVar

import pkcs11
import structlog
from pkcs11 import exceptions as fault
from pydantic import SecretStr

from libs.common.errors import Unavailable
from services.ca.keys import KeyStoreError

T = TypeVar("T")

_LOST: Final = (
    fault.DeviceError,
    fault.DeviceRemoved,
    fault.FunctionFailed,
    fault.GeneralError,
    fault.KeyHandleInvalid,
    fault.NoSuchToken,
    fault.ObjectHandleInvalid,
    fault.OperationNotInitialized,
    fault.SessionClosed,
    fault.SessionHandleInvalid,
    fault.SlotIDInvalid,
    fault.TokenNotPresent,
    fault.TokenNotRecognised,
    fault.UserNotLoggedIn,
)
"""Faults that a new session may mend. A refused PIN is none: each further try may be the one that locks the token."""

log = structlog.get_logger()


class TokenUnavailableError(KeyStoreError, Unavailable):
    """The token does not answer now. Nothing was signed; what waits for it is tried again by itself."""


@cache
def _turns(module: str) -> RLock:
    """Give the lock of a module, which every session of this process shares, as it shares the module itself."""
    del module
    return RLock()


class TokenSession:
    """One session of this process with one token.

    Args:
        module: the PKCS#11 library of the token's maker.
        token: the token's label.
        pin: the user's.
    """

    def __init__(self, module: Path, token: str, pin: SecretStr) -> None:
        self.name: Final = token
        self._module = str(module)
        self._pin = pin
        self._session: pkcs11.Session | None = None

    def run(self, act: Callable[[pkcs11.Session], T]) -> T:
        """Do something with the session; if it is lost, once more with a new one.

        Raises:
            TokenUnavailableError: the token does not answer.
            KeyStoreError: it refuses the PIN, or the module cannot be used.
        """
        with _turns(self._module):
            try:
                return act(self._opened())
            except _LOST as error:
                log.warning("token.lost", token=self.name, failure=type(error).__name__)
            self._forget()
            try:
                return act(self._opened())
            except _LOST as error:
                self._forget()
                raise TokenUnavailableError(
                    f"the token «{self.name}» does not answer ({type(error).__name__}): "
                    "see whether it is connected and switched on; it is tried again by itself"
                ) from error

    def close(self) -> None:
        """End the session; the next use begins another."""
        with _turns(self._module):
            self._forget()

    def _opened(self) -> pkcs11.Session:
        if self._session is None:
            self._session = self._open()
        return self._session

    def _open(self) -> pkcs11.Session:
        try:
            token = pkcs11.lib(self._module).get_token(token_label=self.name)
        except (fault.NoSuchToken, *_LOST):
            raise
        except (fault.PKCS11Error, RuntimeError, OSError) as error:
            raise KeyStoreError(
                f"the PKCS#11 module {self._module} cannot be used ({error!r}): is it the right file?"
            ) from error
        try:
            return token.open(rw=True, user_pin=self._pin.get_secret_value())
        except fault.UserAlreadyLoggedIn:  # another session of this process did: being logged in is the process's
            return token.open(rw=True)
        except (fault.PinIncorrect, fault.PinInvalid, fault.PinLenRange, fault.PinExpired) as error:
            raise KeyStoreError(
                f"the token «{self.name}» refuses the PIN: give the right one; "
                "mind that a token locks after a few wrong ones"
            ) from error
        except fault.PinLocked as error:
            raise KeyStoreError(
                f"the token «{self.name}» is locked after too many wrong PINs: its security officer has to unlock it"
            ) from error

    def _forget(self) -> None:
        """Drop the session, and have the module look anew for its tokens."""
        session, self._session = self._session, None
        for step in (None if session is None else session.close, pkcs11.lib(self._module).reinitialize):
            try:
                if step is not None:
                    step()
            except (fault.PKCS11Error, RuntimeError) as error:  # broken before: that is why it is dropped
                log.info("token.closed", token=self.name, failure=type(error).__name__)
