"""NCALayer's own settings and modules, ``kz.gov.pki.ncalayerservices.accessory``: there are none here to manage."""

from collections.abc import Mapping
from typing import Any, Final

from libs.citizen.agent import common_utils
from libs.citizen.agent.errors import RequestRefused
from libs.citizen.agent.requests import Request

MODULE: Final = "kz.gov.pki.ncalayerservices.accessory"

succeeded = common_utils.succeeded
cancelled = common_utils.cancelled
failed = common_utils.failed


def read(message: Mapping[str, Any]) -> Request:
    """Refuse every request: ``showSettings``, ``showBundleManager``, ``getBundles`` and the like.

    Raises:
        AskRefused: ``ask.unsupported``, always.
    """
    raise RequestRefused("ask.unsupported.accessory", method=str(message.get("method"))[:80])
