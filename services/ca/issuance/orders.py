"""What a certificate is made from: everything that is decided before the bytes are written."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.ca.authority.issuers import PublicKey
from services.ca.model.profiles import Profile
from services.ca.model.subject import Holder


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One certificate to be issued.

    Attributes:
        profile: what kind of certificate.
        holder: whom it names; of the kind the profile asks for.
        public_key: the holder's key, possession proved.
        serial_number: from ``serial_number``, reserved as unique by the caller.
        not_before: UTC, whole seconds.
        crl_shard: which shard of the revocation list would carry it; fixed for the certificate's life.

    Raises:
        ValueError: the parts do not fit one another.
    """

    profile: Profile
    holder: Holder
    public_key: PublicKey
    serial_number: int
    not_before: datetime
    crl_shard: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.holder, self.profile.holder):
            raise ValueError(  # noqa: TRY004 - an impossible order, whatever types it is made of
                f"{self.profile.name} names a {self.profile.holder.__name__}"
            )
        if self.not_before.utcoffset() != timedelta(0) or self.not_before.microsecond:
            raise ValueError("a certificate begins at a whole second, in UTC")
        if self.crl_shard < 0:
            raise ValueError("shards are counted from zero")

    @property
    def not_after(self) -> datetime:
        """The last second of validity, which counts (RFC 5280, 4.1.2.5)."""
        return self.profile.not_after(self.not_before)
