"""One client of one AWS service: the one door to botocore here.

One call is one request: botocore's own retries are off, because retry lives in the supervisor. Credentials come from
one place only, the container credentials endpoint that the core's Token Exchange Service names in the environment; a
credentials file that lies about on a box is not read. Region and endpoint come from the environment, as for every
AWS client.

An answer that turns the request down is `Refusal`, with its status, for the caller to understand; what an operator or
time can mend is Transient.
"""

from __future__ import annotations

import threading
from typing import Any

import botocore.config
import botocore.credentials
import botocore.session
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    MetadataRetrievalError,
    NoCredentialsError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from components.shared.errors import Rejected, Transient

CONNECT_S_MAX = 5
ANSWER_S_MAX = 10
"""A few kilobytes each way: slower than this is no connection. A thread in a call may be abandoned at a stop."""

_BUSY_CODES = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"})
_CREDENTIALS_ADVICE = "check the core's Token Exchange Service and the role alias that it is configured with"


class Refusal(Rejected):
    """The service understood the request and turned it down."""

    def __init__(self, text: str, status: int, code: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class AwsSession:
    """What the clients of one process share: loaded data and credentials."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: botocore.session.Session | None = None

    def create(self, service: str) -> Any:
        """A client of the service. Transient while the core gives no credentials."""
        with self._lock:  # botocore's session is not thread-safe
            if self._session is None:
                self._session = botocore.session.Session()
                provider = botocore.credentials.ContainerProvider()
                resolver = botocore.credentials.CredentialResolver([provider])
                self._session.register_component("credential_provider", resolver)
            config = botocore.config.Config(
                connect_timeout=CONNECT_S_MAX,
                read_timeout=ANSWER_S_MAX,
                retries={"total_max_attempts": 1, "mode": "standard"},
            )
            try:
                return self._session.create_client(service, config=config)
            except BotoCoreError as error:
                raise _from_failure(error, f"client of {service}") from error


class AwsClient:
    """Calls of one service, from any thread. The client is made at the first call, and again until that succeeds."""

    def __init__(self, session: AwsSession, service: str, actions: str) -> None:
        """`actions` is what the device's role must allow, for the message of who has to mend it."""
        self._session = session
        self._service = service
        self._actions = actions
        self._client: Any = None
        self._lock = threading.Lock()

    def call(self, step: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """The answer of one request. Refusal, or Transient; `step` begins the message."""
        with self._lock:
            if self._client is None:
                self._client = self._session.create(self._service)
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**parameters)
            if "payload" in answer:
                answer["payload"] = answer["payload"].read()
        except ClientError as error:
            raise self._from_answer(error, step) from error
        except (BotoCoreError, ResponseParserError, OSError) as error:
            raise _from_failure(error, step) from error
        return answer

    def _from_answer(self, error: ClientError, step: str) -> Transient | Refusal:
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        code = str(error.response.get("Error", {}).get("Code", ""))
        message = error.response.get("Error", {}).get("Message") or code
        text = f"{step}: {self._service} answers {status} {message} ({code})"
        if status in {401, 403} or code in {"AccessDeniedException", "UnrecognizedClientException"}:
            return Transient(f"{text}: the role of the token exchange must allow {self._actions} for this thing")
        if status >= 500 or status == 429 or code in _BUSY_CODES or "Expired" in code:
            return Transient(text)
        return Refusal(text, status, code)


def _from_failure(error: Exception, step: str) -> Transient:
    """What a request without an answer means."""
    if isinstance(error, NoCredentialsError | CredentialRetrievalError | MetadataRetrievalError):
        return Transient(f"{step}: no credentials: {error}: {_CREDENTIALS_ADVICE}")
    if isinstance(error, SSLError):
        return Transient(f"{step}: {error}: check the box's clock and certificates, and whether a proxy opens TLS")
    return Transient(f"{step}: {error}")
