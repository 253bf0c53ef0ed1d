"""What the three APIs of ACLs have in common as long as there is no authorizer: they refuse.

Counterpart: AclApis, and the checks in the constructors of its requests.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from broker.server.connection import CloseConnection
from protocol.errors import ApiError, ErrorCode

UNKNOWN: Final = 0
"""What no resource type, pattern type, operation or permission is: Kafka does not even parse such a request."""


def refuse(kinds: Iterable[int]) -> ApiError:
    """The refusal to raise; `kinds` are all types, operations and permissions of the request."""
    if UNKNOWN in kinds:
        raise CloseConnection("a request for ACLs with a type, an operation or a permission of 0")
    return ApiError(ErrorCode.SECURITY_DISABLED, "there is no authorizer")
