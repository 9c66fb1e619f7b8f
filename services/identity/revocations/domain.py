"""What is decided about a request to revoke. Pure."""

from libs.common.contracts.identity import RevocationRequested
from libs.common.core.errors import Refused
from libs.common.delivery.decisions import Decision
from services.identity.accounts.states import Citizen
from services.identity.refusals import IdentityRefusal
from services.identity.revocations.states import RevocationWish


def request(state: RevocationWish | None, wish: RevocationWish, citizen: Citizen) -> Decision[RevocationWish] | None:
    """Publish that a citizen's certificate is to be revoked, once.

    Raises:
        Refused: ``certificate.unknown``: it is not this citizen's; ``certificate.revoked``: it is already;
            ``citizen.phone_unknown``: no code can be sent.
    """
    if state is not None:
        return None
    if all(each.serial != wish.serial for each in citizen.certificates.held):
        raise Refused(IdentityRefusal.CERTIFICATE_UNKNOWN)
    if wish.serial in citizen.certificates.revoked:
        raise Refused(IdentityRefusal.CERTIFICATE_REVOKED)
    if citizen.reach is None:
        raise Refused(IdentityRefusal.PHONE_UNKNOWN)
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
