"""What is decided about a request to revoke. Pure."""

from libs.common.contracts.identity import RevocationRequested
from libs.common.core.errors import Refused
from libs.common.delivery.decisions import Decision
from services.identity.accounts.states import Citizen
from services.identity.refusals import Refusal
from services.identity.revocations.states import RequestedRevocation


def request(
    state: RequestedRevocation | None, wish: RequestedRevocation, citizen: Citizen
) -> Decision[RequestedRevocation] | None:
    """Publish that a citizen's certificate is to be revoked, once.

    Raises:
        Refused: ``certificate.unknown``: it is not this citizen's; ``certificate.revoked``: it is already;
            ``citizen.phone_unknown``: no code can be sent.
    """
    if state is not None:
        return None
    if all(each.serial != wish.serial for each in citizen.certificates.held):
        raise Refused(Refusal.CERTIFICATE_UNKNOWN)
    if wish.serial in citizen.certificates.revoked:
        raise Refused(Refusal.CERTIFICATE_REVOKED)
    if citizen.reach is None:
        raise Refused(Refusal.PHONE_UNKNOWN)
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
