"""How failures beneath the group coordinator look to its clients.

Counterparts: CoordinatorOperationExceptionHelper, and handleOffsetFetchException of GroupCoordinatorService.
"""

from __future__ import annotations

from typing import Final

from protocol.errors import ErrorCode

_APPEND_ERRORS: Final = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
    ErrorCode.MESSAGE_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.RECORD_LIST_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.INVALID_FETCH_SIZE: ErrorCode.UNKNOWN_SERVER_ERROR,
}
_FETCH_ERRORS: Final = {
    # Consumers before 3.9 know NOT_COORDINATOR, and look for the coordinator anew, but not its being unavailable.
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.NOT_COORDINATOR,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.NOT_COORDINATOR,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.NOT_COORDINATOR,
}


def append_error(error: ErrorCode) -> ErrorCode:
    return _APPEND_ERRORS.get(error, error)


def operation_error(error: ErrorCode) -> ErrorCode:
    # A transaction could not be verified for now: of this clients make a retry without another look-up.
    return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS if error == ErrorCode.NETWORK_EXCEPTION else append_error(error)


def fetch_error(error: ErrorCode) -> ErrorCode:
    return _FETCH_ERRORS.get(error) or operation_error(error)
