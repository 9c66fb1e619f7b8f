import pytest

from services.kandas.rules.law import Law
from tests.unit.kandas.factories import LAW, Given


@pytest.fixture(scope="session")
def law() -> Law:
    return LAW


@pytest.fixture(scope="session")
def given() -> Given:
    return Given()
