import asyncio
import threading

import pytest
from channels.layers import get_channel_layer

from markets import broadcast


@pytest.fixture(autouse=True)
def detached():
    yield
    broadcast.attach(None)


async def test_a_message_from_a_thread_reaches_a_consumer_on_the_servers_loop():
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("feed-1", channel)
    broadcast.attach(asyncio.get_running_loop())

    thread = threading.Thread(target=broadcast.announce, args=("feed-1",), kwargs={"kind": "instant", "id": 1})
    thread.start()
    message = await asyncio.wait_for(layer.receive(channel), 5)
    thread.join()

    assert message == {"type": "changed", "kind": "instant", "id": 1}


async def test_a_message_from_the_loop_itself_is_sent_too():
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("book-7", channel)

    broadcast.announce("book-7", kind="state")

    assert (await asyncio.wait_for(layer.receive(channel), 5))["kind"] == "state"


def test_without_a_server_it_is_sent_from_the_callers_thread():
    broadcast.announce("feed-2", kind="instant")


def test_a_layer_out_of_order_never_fails_the_caller():
    broadcast.announce("not a group name", kind="instant")
