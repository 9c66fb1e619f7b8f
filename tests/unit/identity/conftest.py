"""Fixtures of identity's tests."""

from tests.unit.identity.harness import identity
from tests.unit.identity.stub_gateway import client, gateway

__all__ = ["client", "gateway", "identity"]
