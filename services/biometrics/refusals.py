"""Why biometrics refuses a command. Each value is the key of a problem."""

from enum import StrEnum


class BiometricsRefusal(StrEnum):
    """The reason of a refusal."""

    CAPTURE_NOT_OPEN = "capture.not_open"
    CAPTURE_CLOSED = "capture.closed"
    CAPTURE_STALE = "capture.stale"
    CAPTURE_BUSY = "capture.busy"
    PRE_CHECK_TOO_OFTEN = "pre_check.too_often"
    PRE_CHECK_UNAVAILABLE = "pre_check.unavailable"
    UPLOAD_WRONG_OFFSET = "upload.wrong_offset"
    UPLOAD_TOO_MANY_PIECES = "upload.too_many_pieces"
    NOT_AN_IMAGE = "picture.not_an_image"
    HEIC = "picture.heic"
    NOT_A_PICTURE_OR_PDF = "document.not_a_picture_or_pdf"
    NOT_A_VIDEO = "clip.not_a_video"
    UNKNOWN_CODING = "clip.unknown_coding"
    PICTURE_TOO_LARGE = "picture.too_large"
    CLIP_TOO_LARGE = "clip.too_large"
    REVIEW_NOT_WAITING = "review.not_waiting"
    REVIEW_ANOTHER_CLERK = "review.another_clerk"
    LINK_UNKNOWN = "review.link_unknown"
    LINK_EXPIRED = "review.link_expired"
    LINK_OF_ANOTHER = "review.link_of_another"
    RECORD_UNKNOWN = "audit.unknown"
