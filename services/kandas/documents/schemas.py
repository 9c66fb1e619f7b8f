"""What the verification of a document answers."""

from libs.common.contracts.http.kandas import DocumentVerification
from libs.common.core.model import evolve
from libs.common.texts.languages import Language
from libs.common.texts.places import region_name
from services.kandas.application.states import KeptApplication, PersonDecision
from services.kandas.texts import TEXTS


def verification(
    application: KeptApplication, decision: PersonDecision, sha256: str, language: Language
) -> DocumentVerification:
    """Show a published decision, without anything personal."""
    return evolve(
        decision,
        DocumentVerification,
        application_id=application.id,
        outcome_text=TEXTS.text(f"decision.{decision.outcome}", language),
        reasons=tuple(map(str, decision.reasons)),
        reasons_text=tuple(TEXTS.text(reason, language) for reason in decision.reasons),
        region=application.region,
        region_text=region_name(TEXTS, application.region, language),
        document_sha256=sha256,
    )
