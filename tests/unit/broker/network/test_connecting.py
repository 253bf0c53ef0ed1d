"""What is known of a listener that cannot be reached."""

from __future__ import annotations

import asyncio

import pytest

from broker.network.connecting import connect, is_refused
from broker.sockets import bind


async def test_a_listener_is_found_and_left_alone() -> None:
    bound = bind("127.0.0.1", 0)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), sock=bound)
    port = bound.getsockname()[1]
    assert not await is_refused("127.0.0.1", port, 10)
    assert not await is_refused("localhost", port, 10)
    server.close()
    await server.wait_closed()
    assert await is_refused("127.0.0.1", port, 10)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_refusal_is_told_as_one_whatever_the_host_resolves_to(host: str) -> None:
    bound = bind("127.0.0.1", 0)
    port = bound.getsockname()[1]
    bound.close()
    with pytest.raises(ConnectionRefusedError):
        await connect(asyncio.Protocol, host, port)


async def test_no_answer_is_no_refusal() -> None:
    assert not await is_refused("name.invalid", 1, 10)
