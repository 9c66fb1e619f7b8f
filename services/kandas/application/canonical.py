"""The application as the applicant signs it: one sequence of bytes for one content (JSON by RFC 8785)."""

import hashlib
import json
from typing import Any, Final

from services.kandas.application.states import KandasApplication

FORMAT: Final = "kandas-application/1"


def canonical(application: KandasApplication) -> bytes:
    """Return the bytes to be signed.

    They hold what the citizen stated and the hash of every attachment, and nothing that changes afterwards. Only
    texts, whole numbers and truth values stand in them and all keys are ASCII, so sorted keys, no white space and
    UTF-8 are all that RFC 8785 asks for.
    """
    content = {
        "format": FORMAT,
        "application_id": application.id,
        "opened_at": application.opened_at.isoformat(),
        "service": application.service,
        "region": application.region,
        "persons": [
            {"person": person.id, "role": person.role, **person.form.value.model_dump(mode="json", exclude_none=True)}
            for person in application.persons
        ],
        "attachments": sorted(
            (attachment.model_dump(mode="json") for attachment in application.attachments), key=_place
        ),
    }
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest(application: KandasApplication) -> str:
    """Return the SHA-256 of the bytes to be signed, in hexadecimal."""
    return hashlib.sha256(canonical(application)).hexdigest()


def _place(attachment: dict[str, Any]) -> tuple[str, str]:
    return attachment["person"], attachment["kind"]
