from __future__ import annotations

import subprocess
import sys

import pytest

from protocol.apis import APIS, request_class, request_header_version, response_class, response_header_version
from protocol.messages.api_versions import ApiVersionsRequest
from protocol.messages.header import RequestHeader
from protocol.schema import encode


def test_keys_of_kafka_4() -> None:
    assert sorted(APIS) == [*range(4), *range(8, 93)]
    assert all(api.key == key for key, api in APIS.items())


def test_modules_are_named_after_apis() -> None:
    assert APIS[2].module == "list_offsets"
    assert APIS[60].module == "describe_cluster"
    assert request_class(18) is ApiVersionsRequest


@pytest.mark.parametrize(("key", "version", "header"), [(0, 8, 1), (0, 9, 2), (17, 1, 1), (18, 3, 2), (18, 99, 2)])
def test_request_header_versions(key: int, version: int, header: int) -> None:
    assert request_header_version(key, version) == header


@pytest.mark.parametrize(("key", "version", "header"), [(0, 8, 0), (0, 9, 1), (17, 1, 0), (18, 3, 0), (18, 4, 0)])
def test_response_header_versions(key: int, version: int, header: int) -> None:
    assert response_header_version(key, version) == header


def test_the_client_id_keeps_its_old_length_in_a_flexible_header() -> None:
    header = RequestHeader(request_api_key=18, request_api_version=3, correlation_id=7, client_id="c")
    assert encode(header, 2) == bytes.fromhex("0012 0003 00000007 0001 63 00")


def test_the_latest_version_may_be_unstable() -> None:
    assert APIS[22].latest_unstable
    assert APIS[22].highest_stable == APIS[22].highest - 1
    assert APIS[0].highest_stable == APIS[0].highest


def test_removed_apis_have_no_messages() -> None:
    for key in (4, 5, 6, 7):
        with pytest.raises(KeyError):
            request_class(key)
        with pytest.raises(KeyError):
            response_class(key)


def test_importing_the_table_imports_no_message() -> None:
    program = (
        "import sys, protocol.apis; print([name for name in sys.modules if name.startswith('protocol.messages.')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
