from __future__ import annotations

from protocol.errors import ApiError, ErrorCode, StorageError


def test_every_code_has_a_sentence() -> None:
    assert all(code.message for code in ErrorCode)
    assert len({code.message for code in ErrorCode}) == len(ErrorCode)


def test_codes_are_contiguous_from_minus_one() -> None:
    assert [int(code) for code in ErrorCode] == list(range(-1, len(ErrorCode) - 1))


def test_retriable() -> None:
    assert ErrorCode.NOT_LEADER_OR_FOLLOWER.retriable
    assert not ErrorCode.NONE.retriable
    assert not ErrorCode.TOPIC_ALREADY_EXISTS.retriable


def test_an_api_error_names_its_code() -> None:
    assert str(ApiError(ErrorCode.INVALID_CONFIG, "no such key: x")) == "INVALID_CONFIG: no such key: x"
    assert str(ApiError(ErrorCode.NOT_CONTROLLER)) == f"NOT_CONTROLLER: {ErrorCode.NOT_CONTROLLER.message}"


def test_a_storage_error_names_its_directory() -> None:
    error = StorageError("/data/a", "no space left")
    assert error.directory == "/data/a"
    assert "/data/a" in str(error)
