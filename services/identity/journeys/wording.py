"""What a journey says of itself in words."""

from libs.common.contracts.http.identity import JourneyView
from libs.common.contracts.http.shapes import TimelineEntry
from libs.common.core.model import evolve
from libs.common.texts.languages import Language
from services.identity.problems import TEXTS


def in_words(view: JourneyView, language: Language) -> JourneyView:
    """Return a view with the words for each of its keys."""
    waits_for = view.waits_for
    return evolve(
        view,
        JourneyView,
        waits_for_text="" if waits_for is None else TEXTS.text(f"waits.{waits_for}", language),
        reason_text="" if view.reason is None else TEXTS.text(view.reason, language),
        guidance_text=tuple(_hint(key, language) for key in view.guidance),
        timeline=tuple(
            evolve(each, TimelineEntry, text=TEXTS.text(each.key, language, **each.detail)) for each in view.timeline
        ),
    )


def _hint(key: str, language: Language) -> str:
    """Return what a hint says. Why a request was refused is said by the authority; here, that it was."""
    return TEXTS.text(key if key in TEXTS else "cert.refused", language)
