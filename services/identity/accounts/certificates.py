"""Certificates as a journey and a citizen's account know them: facts may come in any order and more than once."""

from datetime import datetime

from libs.common.contracts.ca import CertExpiring, CertIssued, CertRevoked, EntityRole, Profile
from libs.common.contracts.http.identity import CabinetCertificate
from libs.common.core.model import Model, evolve

CertificateListFact = CertIssued | CertExpiring | CertRevoked


class HeldCertificate(Model):
    """A certificate that was issued. ``serial`` is lower-case hexadecimal.

    ``acts_for``: the role in which the citizen signs for a legal entity with it; None for a personal one.
    """

    serial: str
    profile: Profile
    not_after: datetime
    acts_for: EntityRole | None = None


class CertificateList(Model):
    """Certificates, and the serial numbers of those that were revoked or expire soon, perhaps known before them."""

    held: tuple[HeldCertificate, ...] = ()
    revoked: tuple[str, ...] = ()
    expiring: tuple[str, ...] = ()

    def with_fact(self, fact: CertificateListFact) -> "CertificateList":
        """Return the list with a fact taken in, once."""
        match fact:
            case CertIssued():
                if any(each.serial == fact.serial for each in self.held):
                    return self
                return evolve(self, CertificateList, held=(*self.held, _held(fact)))
            case CertExpiring():
                return evolve(self, CertificateList, expiring=_with(self.expiring, fact.serial))
            case CertRevoked():
                return evolve(self, CertificateList, revoked=_with(self.revoked, fact.serial))

    def good_for_signing(self, now: datetime) -> bool:
        """Return whether a personal certificate for signing is good now, as far as this list knows."""
        return any(
            each.profile == "SIGN"
            and each.acts_for is None
            and each.serial not in self.revoked
            and now <= each.not_after
            for each in self.held
        )

    def view(self) -> tuple[CabinetCertificate, ...]:
        """Return the certificates as the citizen is shown them."""
        return tuple(
            evolve(
                each,
                CabinetCertificate,
                revoked=each.serial in self.revoked,
                expiring=each.serial in self.expiring and each.serial not in self.revoked,
            )
            for each in self.held
        )


def _held(fact: CertIssued) -> HeldCertificate:
    return HeldCertificate(serial=fact.serial, profile=fact.profile, not_after=fact.not_after, acts_for=fact.acts_for)


def _with(serials: tuple[str, ...], serial: str) -> tuple[str, ...]:
    return serials if serial in serials else (*serials, serial)
