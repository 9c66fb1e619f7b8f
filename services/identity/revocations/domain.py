"""What is decided about a request to revoke. Pure."""

from libs.common.contracts.identity import RevocationRequested
from libs.common.core.errors import Refused
from libs.common.delivery.decisions import Decision
from services.identity.accounts.states import Citizen
from services.identity.revocations.states import RevocationWish


def request(state: RevocationWish | None, wish: RevocationWish, citizen: Citizen) -> Decision[RevocationWish] | None:
    """Publish that a citizen's certificate is to be revoked, once.

    Raises:
        Refused: ``certificate.unknown``, 404: it is not this citizen's; ``certificate.revoked``, 409: it is already;
            ``citizen.phone_unknown``, 409: no code can be sent.
    """
    if state is not None:
        return None
    if all(each.serial != wish.serial for each in citizen.certificates.held):
        raise Refused("certificate.unknown", "There is no such certificate among yours.", 404)
    if wish.serial in citizen.certificates.revoked:
        raise Refused("certificate.revoked", "This certificate is revoked already. There is nothing left to do.", 409)
    if citizen.reach is None:
        detail = "We do not know where to send a code. Please revoke with one of your two keys, or at a service centre."
        raise Refused("citizen.phone_unknown", detail, 409)
    requested = RevocationRequested(
        citizen_id=wish.citizen_id,
        serial=wish.serial,
        reason=wish.reason,
        contact=citizen.reach.contact,
        person_ref=citizen.reach.person_ref,
        phone_ref=citizen.reach.phone_ref,
        expires_at=wish.expires_at,
    )
    return Decision(wish, (requested,))
