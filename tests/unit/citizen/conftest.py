"""What the tests of the citizen's side share."""

import subprocess
from typing import Protocol

import pytest

from tests.unit.citizen.authority import Authority, make_authority


class Judge(Protocol):
    """Runs an outside program."""

    def __call__(self, *command: str, accept: bool = True) -> str:
        """Give what `command` printed. A missing program fails the test: it is never skipped."""
        ...


@pytest.fixture(scope="session")
def authority() -> Authority:
    return make_authority()


@pytest.fixture(scope="session")
def judge() -> Judge:
    def run(*command: str, accept: bool = True) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode == 0) is accept, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    return run
