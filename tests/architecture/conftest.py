"""The repository's sources, read and parsed once for all rules."""

import pytest

from tests.architecture.source_tree import Modules, read_repository


@pytest.fixture(scope="session")
def repository() -> Modules:
    """Every source by its dotted name."""
    return read_repository()
