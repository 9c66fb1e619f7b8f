import pytest

from tests.unit.ca.hierarchies import CertificationAuthority, establish
from tests.unit.ca.office import Office, World


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificationAuthority:
    return establish(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def office(world: World, authority: CertificationAuthority) -> Office:
    return Office(world, authority)
