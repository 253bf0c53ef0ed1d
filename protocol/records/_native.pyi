from protocol.records.record import RawRecord
from protocol.wire import Buffer

def walk(
    payload: Buffer,
    count: int,
    base_timestamp: int,
    timestamp_min: int,
    timestamp_max: int,
    require_key: bool,
    faults_max: int,
    /,
) -> tuple[int, int, int, list[tuple[int, int, int]] | None]: ...
def decode(payload: Buffer, count: int, /) -> list[RawRecord] | None: ...
def read_cached(fd: int, size: int, offset: int, /) -> bytes: ...
