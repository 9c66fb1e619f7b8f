from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.testing.harness import NOON, Surroundings
from services.kandas.rules.law import Law
from tests.unit.citizen.factories import Authority, make_authority
from tests.unit.kandas.factories import LAW, Given
from tests.unit.kandas.harness import Installation, KandasHarness


@pytest.fixture(scope="session")
def law() -> Law:
    return LAW


@pytest.fixture(scope="session")
def given() -> Given:
    return Given()


@pytest.fixture(scope="session")
def authority() -> Authority:
    return make_authority(NOON)


@pytest.fixture
def installation(tmp_path: Path, authority: Authority) -> Installation:
    return Installation(tmp_path, authority, Surroundings())


@pytest.fixture
async def kandas(installation: Installation) -> AsyncIterator[KandasHarness]:
    async with installation.run() as running:
        yield running
