"""A logged-in session with a PKCS#11 token, mended when it breaks.

Calls are made one at a time: the binding initialises a module without announcing several threads
(C_Initialize without arguments; PKCS#11 v2.40, 5.4), so nothing would protect the module from them. What bounds a
process is therefore the time that the token takes for a signature; more replicas sign side by side.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any, Final, TypeVar

import pkcs11
import structlog
from pkcs11 import exceptions as fault
from pydantic import SecretStr

from libs.common.core.errors import Unavailable
from services.ca.keys.store import KeyStoreError

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

_PROBE_BITS: Final = 64

log = structlog.get_logger()


class TokenUnavailableError(KeyStoreError, Unavailable):
    """The token does not answer now. Nothing was signed; what waits for it is tried again by itself."""


class _Module:
    """A PKCS#11 library in this process: all sessions share it, and take turns.

    ``epoch`` counts how often it was begun anew. A session of an earlier epoch is dead, and its number may by now be
    that of a session with another token: it must not be used, not even to close it.
    """

    def __init__(self, path: str) -> None:
        self.path: Final = path
        self.turn: Final = RLock()
        self.epoch = 0

    def begin_anew(self) -> None:
        """Close every session, and list the tokens again."""
        self.epoch += 1
        pkcs11.lib(self.path).reinitialize()


_module: Final = cache(_Module)


def search(session: pkcs11.Session, kind: pkcs11.ObjectClass, label: str) -> list[Any]:
    """Return the objects of a class that bear this label.

    The session is tried first: the binding leaves a search that could not begin on a dead one half open, and
    complains of it on standard error when it is collected.
    """
    try:
        session.generate_random(_PROBE_BITS)
    except fault.RandomNoRNG:
        log.debug("token.no_random")
    return list(session.get_objects({pkcs11.Attribute.CLASS: kind, pkcs11.Attribute.LABEL: label}))


class TokenSession:
    """One session of this process with one token.

    Args:
        module: the PKCS#11 library of the token's maker.
        token: the token's label.
        pin: the user's.
    """

    def __init__(self, module: Path, token: str, pin: SecretStr) -> None:
        self.name: Final = token
        self._module = _module(str(module))
        self._pin = pin
        self._session: pkcs11.Session | None = None
        self._epoch = 0

    def run(self, act: Callable[[pkcs11.Session], T]) -> T:
        """Do something with the session; if it is lost, once more with a new one.

        Raises:
            TokenUnavailableError: the token does not answer.
            KeyStoreError: it refuses the PIN, or the module cannot be used.
        """
        with self._module.turn:
            try:
                return act(self._opened())
            except _LOST as error:
                log.warning("token.lost", token=self.name, failure=type(error).__name__)
            self._forget()
            try:
                return act(self._opened())
            except _LOST as error:
                self._session = None
                raise TokenUnavailableError(
                    f"the token «{self.name}» does not answer ({type(error).__name__}): "
                    "see whether it is connected and switched on; it is tried again by itself"
                ) from error

    def _opened(self) -> pkcs11.Session:
        if self._session is None or self._epoch != self._module.epoch:
            self._session = self._open()
            self._epoch = self._module.epoch
        return self._session

    def _open(self) -> pkcs11.Session:
        try:
            token = pkcs11.lib(self._module.path).get_token(token_label=self.name)
        except (fault.NoSuchToken, *_LOST):
            raise
        except (fault.PKCS11Error, RuntimeError, OSError) as error:
            raise KeyStoreError(
                f"the PKCS#11 module {self._module.path} cannot be used ({error!r}): is it the right file?"
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
        """Drop the session and begin the module anew, unless somebody did since."""
        session, self._session = self._session, None
        if session is not None and self._epoch != self._module.epoch:
            return
        try:
            self._module.begin_anew()
        except (fault.PKCS11Error, RuntimeError) as error:  # it was broken before: the next try shows
            log.info("token.module", token=self.name, failure=type(error).__name__)
