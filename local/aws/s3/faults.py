"""Errors of S3 as its clients see them."""

from __future__ import annotations

from xml.sax.saxutils import escape


class S3Fault(Exception):  # noqa: N818 - AWS calls it an error, we raise it as an answer
    """An answer other than success. `code` is AWS's word, which clients decide on."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def body(self, resource: str, request_id: str) -> bytes:
        """The XML document that S3 answers with."""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{self.code}</Code><Message>{escape(self.message)}</Message>"
            f"<Resource>{escape(resource)}</Resource><RequestId>{request_id}</RequestId></Error>"
        ).encode()


def access_denied(message: str = "Access Denied") -> S3Fault:
    """403: not with these credentials."""
    return S3Fault(403, "AccessDenied", message)


def bad_digest(algorithm: str) -> S3Fault:
    """400: what arrived is not what was sent."""
    return S3Fault(400, "BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")


def invalid_request(message: str) -> S3Fault:
    """400: the request contradicts itself."""
    return S3Fault(400, "InvalidRequest", message)


def no_such_key() -> S3Fault:
    """404: there is no such object."""
    return S3Fault(404, "NoSuchKey", "The specified key does not exist.")


def no_such_upload() -> S3Fault:
    """404: there is no such multipart upload."""
    return S3Fault(
        404,
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or"
        " completed.",
    )


def precondition_failed() -> S3Fault:
    """412: an If-... header does not hold."""
    return S3Fault(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")


def not_implemented(what: str) -> S3Fault:
    """501: the stand-in cannot do this, and says so instead of pretending."""
    return S3Fault(501, "NotImplemented", f"The stand-in does not implement {what}.")
