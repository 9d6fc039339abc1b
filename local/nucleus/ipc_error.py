"""The errors that an IPC operation can be answered with."""

SERVICE_ERROR = "ServiceError"
UNAUTHORIZED = "UnauthorizedError"
INVALID_ARGUMENTS = "InvalidArgumentsError"
NOT_FOUND = "ResourceNotFoundError"
COMPONENT_NOT_FOUND = "ComponentNotFoundError"
STALE_UPDATE = "FailedUpdateConditionCheckError"


class IpcError(Exception):
    """An operation was refused; `code` is the shape that the client raises."""

    def __init__(self, code: str, message: str = "", **fields: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.fields = fields
