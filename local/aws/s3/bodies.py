"""Takes the body of an upload into a file and verifies everything that the client said of it.

Verified, as AWS does and moto does not: Content-MD5, x-amz-content-sha256, x-amz-checksum-* in headers or in the
trailer of an aws-chunked body, the lengths. Bytes go to the file as they come; a body is never whole in memory, and
its sums are made beside the reading. Nothing is known here of objects or buckets.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from local.aws.s3.checksums import ALGORITHMS, SIZES_BYTES, Algorithm, Running, from_text, to_text
from local.aws.s3.faults import S3Fault, bad_digest, invalid_request
from local.aws.s3.request import Request

BLOCK_BYTES = 1 << 20
UPLOAD_BYTES_MAX = 5 << 30  # of one PUT or part, as in AWS
HASHERS = 4  # threads that make sums while the next block is read; the sums of a block go side by side
_LINE_BYTES_MAX = 4_096  # of a chunk's header or a trailer
_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHECKSUM = "x-amz-checksum-"
_NOT_SUMS = {"x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode"}


@dataclass(frozen=True, slots=True)
class Received:
    """A body as it arrived: size, ETag, and the one checksum that goes with the object."""

    size_bytes: int
    md5: bytes
    algorithm: Algorithm
    digest: bytes
    declared: bool

    @property
    def etag(self) -> str:
        """The ETag of a body uploaded in one go."""
        return self.md5.hex()

    @property
    def checksum(self) -> str:
        """The checksum as text."""
        return to_text(self.digest)


def declared_checksum(headers: Mapping[str, str]) -> tuple[Algorithm, str] | None:
    """The algorithm and text of the x-amz-checksum-* header, None when there is none; two are refused."""
    found = [name for name in headers if name.startswith(_CHECKSUM) and name not in _NOT_SUMS]
    if not found:
        return None
    if len(found) > 1:
        raise invalid_request("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    algorithm = ALGORITHMS.get(found[0].removeprefix(_CHECKSUM))
    if algorithm is None:
        raise invalid_request(f"The algorithm of {found[0]} is not known.")
    return algorithm, headers[found[0]]


class BodyReader:
    """Takes bodies. One of these serves every thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(HASHERS, thread_name_prefix="checksum")

    def stop(self) -> None:
        """Ends its threads."""
        self._pool.shutdown()

    def receive(self, request: Request, path: Path, default: Algorithm = "CRC64NVME") -> Received:
        """Writes the body of `request` to `path`; a body that is not what its headers say is refused."""
        headers = request.headers
        payload = headers.get("x-amz-content-sha256", "")
        framed = payload.startswith("STREAMING-")
        declared = declared_checksum(headers)
        trailer = headers.get("x-amz-trailer", "").strip().lower()
        algorithm = declared[0] if declared else ALGORITHMS.get(trailer.removeprefix(_CHECKSUM), default)
        sums = {"MD5": Running("MD5"), algorithm: Running(algorithm)}
        if _HEX_SHA256.fullmatch(payload):
            sums.setdefault("SHA256", Running("SHA256"))
        wanted_md5 = _content_md5(headers)
        wanted = _wanted(declared)
        trailers: dict[str, str] = {}
        blocks = _framed(request.stream, trailers) if framed else _plain(request.stream, _length(headers))
        size_bytes = self._take(blocks, path, list(sums.values()))
        if framed and size_bytes != int(headers.get("x-amz-decoded-content-length") or -1):
            raise _incomplete()
        if trailer:
            declared = declared_checksum(trailers)
            if declared is None or declared[0] != algorithm:
                raise S3Fault(400, "MalformedTrailerError", f"The trailer {trailer} that was announced is missing")
            wanted = _wanted(declared)
        if _HEX_SHA256.fullmatch(payload) and sums["SHA256"].digest().hex() != payload:
            raise _other_payload()
        md5 = sums["MD5"].digest()
        if wanted_md5 is not None and wanted_md5 != md5:
            raise _other_md5()
        digest = sums[algorithm].digest()
        if wanted is not None and wanted != digest:
            raise bad_digest(algorithm)
        return Received(size_bytes, md5, algorithm, digest, declared is not None)

    def _take(self, blocks: Iterator[bytes | bytearray], path: Path, sums: list[Running]) -> int:
        size_bytes = 0
        under_way: list[Future[None]] = []
        with path.open("wb", buffering=0) as file:
            for block in blocks:
                for future in under_way:
                    future.result()
                if len(block) < BLOCK_BYTES // 4:
                    under_way = []
                    for running in sums:
                        running.update(block)
                else:
                    under_way = [self._pool.submit(running.update, block) for running in sums]
                file.write(block)
                size_bytes += len(block)
        for future in under_way:
            future.result()
        return size_bytes


def document(request: Request) -> bytes:
    """The body of a request whose body is a document, verified as an upload is."""
    body = request.document()
    payload = request.headers.get("x-amz-content-sha256", "")
    if _HEX_SHA256.fullmatch(payload) and hashlib.sha256(body).hexdigest() != payload:
        raise _other_payload()
    wanted_md5 = _content_md5(request.headers)
    if wanted_md5 is not None and hashlib.md5(body, usedforsecurity=False).digest() != wanted_md5:
        raise _other_md5()
    return body


def sums_of(paths: list[Path], algorithms: list[str]) -> dict[str, bytes]:
    """The sums of the bytes of files, one after the other."""
    sums = {algorithm: Running(algorithm) for algorithm in algorithms}
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK_BYTES):
                for running in sums.values():
                    running.update(block)
    return {algorithm: running.digest() for algorithm, running in sums.items()}


def _wanted(declared: tuple[Algorithm, str] | None) -> bytes | None:
    if declared is None:
        return None
    algorithm, text = declared
    digest = from_text(text, SIZES_BYTES[algorithm])
    if digest is None:
        raise invalid_request(f"Value for x-amz-checksum-{algorithm.lower()} header is invalid.")
    return digest


def _content_md5(headers: Mapping[str, str]) -> bytes | None:
    if "content-md5" not in headers:
        return None
    digest = from_text(headers["content-md5"], 16)
    if digest is None:
        raise S3Fault(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")
    return digest


def _length(headers: Mapping[str, str]) -> int:
    if "content-length" not in headers:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return -1
        raise S3Fault(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    length = int(headers["content-length"])
    if length > UPLOAD_BYTES_MAX:
        raise S3Fault(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.")
    return length


def _other_payload() -> S3Fault:
    return S3Fault(
        400,
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    )


def _other_md5() -> S3Fault:
    return S3Fault(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")


def _incomplete() -> S3Fault:
    return S3Fault(
        400,
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    )


def _plain(stream: io.BufferedReader, length: int) -> Iterator[bytes | bytearray]:
    """A body as it is: `length` bytes, or up to its end when -1."""
    left = length
    while left:
        block = bytearray(BLOCK_BYTES if left < 0 else min(BLOCK_BYTES, left))
        count = stream.readinto(block)
        if not count:
            if left < 0:
                return
            raise _incomplete()
        left -= count if left > 0 else 0
        yield block if count == len(block) else block[:count]


def _framed(stream: io.BufferedReader, trailers: dict[str, str]) -> Iterator[bytes | bytearray]:
    """An aws-chunked body; what stands behind its last chunk goes into `trailers`."""
    while True:
        size_text = _line(stream).split(b";", 1)[0]
        try:
            size_bytes = int(size_text, 16)
        except ValueError as error:
            raise _incomplete() from error
        if size_bytes == 0:
            break
        yield from _plain(stream, size_bytes)
        if _line(stream):
            raise _incomplete()
    while line := _line(stream):
        name, _, value = line.decode("latin-1").partition(":")
        trailers[name.strip().lower()] = value.strip()
    trailers.pop("x-amz-trailer-signature", None)


def _line(stream: io.BufferedReader) -> bytes:
    line = stream.readline(_LINE_BYTES_MAX)
    if line and not line.endswith(b"\n"):
        raise _incomplete()
    return line.rstrip(b"\r\n")
