"""One broker as a case sees it: requests from plain values, answers as plain values, all of them noted down.

A request is named as the API is and given by keyword; fields that a version lacks are left out, so that one case serves
every version (a topic is given by name and by id at once). An answer is a dict of the fields of its version.
"""

from __future__ import annotations

import itertools
import re
import socket
import struct
import time
from contextlib import ExitStack
from functools import cache
from typing import Any, NamedTuple

from protocol.apis import APIS, request_class, request_header_version, response_class, response_header_version
from protocol.compiler import resolve
from protocol.fields import Struct
from protocol.messages.header import RequestHeader, ResponseHeader
from protocol.schema import Message, decode_prefix, encode

Answer = dict[str, Any]

KEYS = {api.name: api.key for api in APIS.values()}
ANSWER_DEADLINE_S = 15.0
READY_DEADLINE_S = 10.0
CLOSED = "the connection is closed"
NO_ANSWER = "no answer"


@cache
def _fields(cls: type[Message]) -> dict[str, Any]:
    return {resolved.name: resolved for resolved in resolve(cls)}


def build(cls: type[Message], version: int, values: dict[str, Any]) -> Message:
    """A message of plain values; what `version` has no field for is left out."""
    message = cls()
    for name, value in values.items():
        resolved = _fields(cls)[name]
        if resolved.field.is_present(version):
            setattr(message, name, _built(resolved.element, version, value))
    return message


def _built(element: type[Message] | None, version: int, value: Any) -> Any:
    if element is None or value is None:
        return value
    if isinstance(value, dict):
        return build(element, version, value)
    return [build(element, version, each) for each in value]


def plain(message: Message, version: int) -> Answer:
    """The fields that `version` has, as dicts, lists and plain values."""
    values: Answer = {}
    for name, resolved in _fields(type(message)).items():
        if not resolved.field.is_present(version):
            continue
        value = getattr(message, name)
        if resolved.element is not None and value is not None:
            value = plain(value, version) if isinstance(resolved.field, Struct) else [plain(i, version) for i in value]
        values[name] = bytes(value) if isinstance(value, memoryview) else value
    return values


class Exchange(NamedTuple):
    """A request whose answer was compared: what the inventory is made of."""

    api: str
    version: int
    listener: str
    values: dict[str, Any]
    answer: Answer | str
    """CLOSED or NO_ANSWER where there is none."""


class Closed(Exception):
    """The broker closed the connection instead of answering."""


class Connection:
    """A socket, and requests on it in order."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_DEADLINE_S)
        self._correlation_ids = itertools.count(1)

    def close(self) -> None:
        self.socket.close()

    def send(self, api: str, version: int, values: dict[str, Any], client_id: str | None = "conformance") -> int:
        body = encode(build(request_class(KEYS[api]), version, values), version)
        return self.send_body(KEYS[api], version, body, client_id=client_id)

    def send_body(
        self,
        key: int,
        version: int,
        body: bytes,
        *,
        header_version: int | None = None,
        client_id: str | None = "conformance",
    ) -> int:
        """A request whose body may be anything; returns its correlation id."""
        correlation_id = next(self._correlation_ids)
        header = RequestHeader(
            request_api_key=key, request_api_version=version, correlation_id=correlation_id, client_id=client_id
        )
        if header_version is None:
            header_version = request_header_version(key, version)
        self.send_raw(framed(encode(header, header_version) + body))
        return correlation_id

    def send_raw(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Closed from error

    def receive_raw(self) -> bytes:
        (size,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                more = self.socket.recv(size - len(data))
            except TimeoutError:
                raise
            except OSError as error:
                raise Closed from error
            if not more:
                raise Closed
            data += more
        return data

    def receive(self, api: str, version: int, correlation_id: int) -> Answer:
        body = self.receive_raw()
        key = KEYS[api]
        header, position = decode_prefix(ResponseHeader, response_header_version(key, version), body, 0)
        assert header.correlation_id == correlation_id, f"{api} v{version}: an answer to another request"
        message, end = decode_prefix(response_class(key), version, body, position)
        assert end == len(body), f"{api} v{version}: {len(body) - end} bytes after the answer"
        return plain(message, version)


def framed(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


class Pending:
    """A request sent on a connection of its own, whose answer is fetched later."""

    def __init__(self, client: Client, api: str, version: int, values: dict[str, Any]) -> None:
        self._client = client
        self._api = api
        self._version = version
        self._values = values
        self._connection = client.connect()
        self._correlation_id = self._connection.send(api, version, values)

    def answer(self) -> Answer:
        received = self._connection.receive(self._api, self._version, self._correlation_id)
        self._client.note(f"{self._api} v{self._version}", received)
        self._client.compared.append(Exchange(self._api, self._version, "broker", self._values, received))
        return received

    def never(self) -> None:
        """Note whether the request is left without an answer."""
        waits = self.waits()
        self._client.note("it waits", waits)
        if waits:
            self._client.compared.append(Exchange(self._api, self._version, "broker", self._values, NO_ANSWER))

    def waits(self, seconds: float = 0.3) -> bool:
        """Whether no answer comes for a while."""
        self._connection.socket.settimeout(seconds)
        try:
            return not self._connection.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self._connection.socket.settimeout(ANSWER_DEADLINE_S)


class Client:
    """What a case gets: one broker, names of the case's own, and the transcript."""

    def __init__(self, port: int, case: str, controller_port: int = 0) -> None:
        self.port = port
        self._controller_port = controller_port
        self.case = re.sub(r"[^A-Za-z0-9]+", "-", case)
        self.transcript: list[tuple[str, Any]] = []
        self.compared: list[Exchange] = []
        self._listener = "broker"
        self._last: Exchange | None = None
        self._open = ExitStack()
        self._main: Connection | None = None

    def close(self) -> None:
        self._open.close()

    def name(self, what: str) -> str:
        """A topic or group of this case alone, the same for both brokers."""
        return f"{self.case}.{what}"

    def note(self, label: str, value: Any) -> None:
        """A note that bears the name of the last request is its answer, or what of it can be compared."""
        self.transcript.append((label, value))
        if self._last is not None and label.split(" {")[0] == f"{self._last.api} v{self._last.version}":
            self.compared.append(self._last)
            self._last = None

    def connect(self) -> Connection:
        connection = Connection(self.port)
        self._open.callback(connection.close)
        return connection

    def at_controller(self) -> Client:
        """The same case, speaking to the controller's listener; notes go into the same transcript."""
        other = Client(self._controller_port, "")
        other.case, other.transcript, other.compared = self.case, self.transcript, self.compared
        other._listener = "controller"
        self._open.callback(other.close)
        return other

    @property
    def main(self) -> Connection:
        if self._main is None:
            self._main = self.connect()
        return self._main

    def ask(self, api: str, version: int, **values: Any) -> Answer:
        """Send, receive and note down. A closed connection is an answer, too (an empty one)."""
        return self._asked(f"{api} v{version}", api, version, values)

    def ask_as(self, label: str, api: str, version: int, **values: Any) -> Answer:
        """As `ask`, with more in the label than the name of the request."""
        return self._asked(label, api, version, values)

    def quietly(self, api: str, version: int | None = None, /, **values: Any) -> Answer:
        """As `ask` but not compared; in the highest version unless one is given."""
        return self._exchange(api, APIS[KEYS[api]].highest_stable if version is None else version, values)

    def _asked(self, label: str, api: str, version: int, values: dict[str, Any]) -> Answer:
        try:
            answer = self._exchange(api, version, values)
        except Closed:
            self._main = None
            self.note(label, CLOSED)
            return {}
        except TimeoutError:
            self._main = None
            self.note(label, NO_ANSWER)
            return {}
        self.note(label, answer)
        return answer

    def _exchange(self, api: str, version: int, values: dict[str, Any]) -> Answer:
        connection = self.main
        self._last = Exchange(api, version, self._listener, values, CLOSED)
        answer = connection.receive(api, version, connection.send(api, version, values))
        self._last = self._last._replace(answer=answer)
        return answer

    def ask_some(self, api: str, version: int, values: dict[str, Any], *fields: str) -> None:
        """Compare only some fields of the answer."""
        answer = self.quietly(api, version, **values)
        self.note(f"{api} v{version}", {field: answer[field] for field in fields})

    def start(self, api: str, version: int, **values: Any) -> Pending:
        """A request that need not be answered at once."""
        return Pending(self, api, version, values)

    def send_only(self, api: str, version: int, **values: Any) -> None:
        """A request that has no answer; whether one comes shows at the next `ask`."""
        self.main.send(api, version, values)

    def is_open_after(self, data: bytes, label: str = "raw") -> None:
        """Send bytes on a new connection, then a good request: note what is answered to both."""
        connection = self.connect()
        answers: list[Any] = []
        try:
            connection.send_raw(data)
            connection.send_body(KEYS["ApiVersions"], 0, b"", header_version=1)
            while True:
                received = connection.receive_raw()
                answers.append(len(received) if len(received) < 32 else "an answer")
                if received[:4] == struct.pack(">i", 1) and len(received) > 64:
                    break
        except Closed:
            answers.append(CLOSED)
        except TimeoutError:
            answers.append(NO_ANSWER)
        self.note(label, answers)

    def settle(self) -> None:
        """Until the broker has seen all that the controller did: it sees a new topic."""
        self.create("settled")
        self.quietly("DeleteTopics", topics=[{"name": self.name("settled")}], timeout_ms=10000)

    def create(
        self, what: str = "topic", *, partitions: int = 1, configs: dict[str, str] | None = None
    ) -> tuple[str, bytes]:
        """A topic with leaders; its name and id."""
        name = self.name(what)
        settings = [{"name": key, "value": value} for key, value in (configs or {}).items()]
        topic = {"name": name, "num_partitions": partitions, "replication_factor": 1, "configs": settings}
        (created,) = self.quietly("CreateTopics", topics=[topic])["topics"]
        assert created["error_code"] in (0, 36), created
        return name, self.await_topic(name, partitions)

    def await_topic(self, name: str, partitions: int = 1) -> bytes:
        """Until every partition is led and answers; returns the topic's id."""
        wanted = [{"partition_index": index, "timestamp": -1} for index in range(partitions)]
        deadline = time.monotonic() + READY_DEADLINE_S
        while True:
            asked = {"name": name, "partitions": wanted}
            (offsets,) = self.quietly("ListOffsets", replica_id=-1, topics=[asked])["topics"]
            if all(each["error_code"] == 0 for each in offsets["partitions"]):
                break
            assert time.monotonic() < deadline, f"{name} is not ready: {offsets}"
            time.sleep(0.01)
        (topic,) = self.quietly("Metadata", topics=[{"name": name}])["topics"]
        topic_id = topic["topic_id"]
        assert isinstance(topic_id, bytes)
        return topic_id
