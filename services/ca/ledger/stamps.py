"""Verifying the time-stamps over the ledger."""

import base64

from cryptography.hazmat import asn1

from libs.common.pki.trust import TrustAnchors
from services.ca.ledger.acts import Checkpointed
from services.ca.timestamp.structures import read_granted
from services.ca.timestamp.tokens import NotStampedError, TimeStamp, believed


class StampRefused(Exception):
    """This is no time-stamp of ours over that digest."""


def verify(response: bytes, digest: bytes, anchors: TrustAnchors) -> TimeStamp:
    """Verify a time-stamp response (RFC 3161, 2.4.2) over a SHA-256 digest; its certificate must stand in it.

    Raises:
        StampRefused: it is none, it is another's, or it is over something else.
    """
    try:
        stamp = believed(asn1.encode_der(read_granted(response)), anchors)
    except (ValueError, NotStampedError) as error:
        raise StampRefused(f"it is no time-stamp of this authority ({error})") from error
    if (stamp.digest_algorithm, stamp.digest) != ("sha256", digest):
        raise StampRefused("it is over something else")
    return stamp


def verify_checkpoint(checkpoint: Checkpointed, anchors: TrustAnchors) -> TimeStamp:
    """Verify the time-stamp of a checkpoint. StampRefused if it is not good."""
    try:
        return verify(base64.b64decode(checkpoint.token, validate=True), bytes.fromhex(checkpoint.hash), anchors)
    except ValueError as error:
        raise StampRefused("it does not read as a checkpoint") from error
