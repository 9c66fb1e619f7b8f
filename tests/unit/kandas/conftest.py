import pytest

from services.kandas.transitions import Law
from tests.unit.kandas.situations import LAW, Given


@pytest.fixture(scope="session")
def law() -> Law:
    return LAW


@pytest.fixture(scope="session")
def given() -> Given:
    return Given()
