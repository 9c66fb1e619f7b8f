"""What kandas stores: the names of its collections, each declared once."""

from typing import Final

from libs.common.delivery.engine import Kind
from services.kandas.application.states import AnyApplication, ApplicationState, wake_at
from services.kandas.certificates.states import AnyCertificate, KnownCertificate

APPLICATIONS: Final = Kind[ApplicationState](
    "applications", AnyApplication, wake_at=wake_at, searched=("region", "status")
)
CERTIFICATES: Final = Kind[KnownCertificate]("certificates", AnyCertificate)
"""By serial number."""
