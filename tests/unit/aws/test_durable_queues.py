"""How a queue hands out messages, and what it remembers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.sqs.exceptions import InvalidParameterValue, ReceiptHandleIsInvalid
from moto.sqs.models import Message, sqs_backends

from local.aws.durable_queues import DurableQueues
from local.aws.state import State

REGION = "eu-central-1"
ACCOUNT = "123456789012"
LETTERS = 60


class Shop:
    """Queues on a folder, as a start makes them."""

    def __init__(self, folder: Path) -> None:
        self.state = State(folder)
        self.queues = DurableQueues.install(self.state, REGION)
        self.queues.create_queue("dead")
        redrive = {"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead", "maxReceiveCount": 2}
        self.queues.create_queue("work", RedrivePolicy=redrive)

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.queues.send_message("work", body)

    def take(self, count: int = 10, hidden_s: int = 60, queue: str = "work") -> list[Message]:
        return self.queues.receive_message(queue, count, 0, hidden_s)

    def bodies(self, queue: str = "work") -> list[str]:
        return sorted(message.body for message in self.queues.queue(queue).messages)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.state.close()
    del sqs_backends[ACCOUNT][REGION]


def handle(message: Message) -> str:
    assert message.receipt_handle is not None
    return message.receipt_handle


def test_a_message_is_given_once_while_it_is_hidden(shop: Shop) -> None:
    """What was received is hidden from everybody else."""
    shop.send("a", "b", "c")
    assert [message.body for message in shop.take(2)] == ["a", "b"]
    assert [message.body for message in shop.take()] == ["c"]
    assert shop.take() == []
    assert shop.queues.figures()["work"] == {"waiting": 0, "in_flight": 3}


def test_a_message_that_is_not_hidden_comes_once_per_request(shop: Shop) -> None:
    """With no time to hide, a message is in each answer once, not as often as there is room."""
    shop.send("a")
    assert [message.body for message in shop.take(10, 0)] == ["a"]
    assert [message.approximate_receive_count for message in shop.take(10, 0)] == [2]


def test_what_is_deleted_does_not_come_again(shop: Shop) -> None:
    """A deleted message is gone, an older handle of it deletes it too, and deleting again succeeds."""
    shop.send("a")
    (first,) = shop.take(1, 0)
    (second,) = shop.take(1, 0)
    shop.queues.delete_message("work", handle(first))
    assert shop.take() == []
    shop.queues.delete_message("work", handle(second))
    with pytest.raises(ReceiptHandleIsInvalid):
        shop.queues.delete_message("work", "nonsense")


def test_a_message_can_be_shown_at_once(shop: Shop) -> None:
    """Hiding for no time shows a message to the next receiver."""
    shop.send("a")
    (taken,) = shop.take()
    shop.queues.change_message_visibility("work", handle(taken), 0)
    assert [message.body for message in shop.take()] == ["a"]


def test_after_its_tries_a_message_goes_to_the_dead_letters(shop: Shop) -> None:
    """A message received as often as allowed goes to the dead-letter queue at the next request, whole."""
    shop.send("poison")
    for _ in range(2):
        assert [message.body for message in shop.take(10, 0)] == ["poison"]
    assert shop.take() == []
    assert (shop.bodies("work"), shop.bodies("dead")) == ([], ["poison"])


def test_who_reads_dead_letters_holds_nobody_up(shop: Shop) -> None:
    """Messages go to the dead letters while somebody receives from there: both go on, and every message arrives."""
    bodies = [str(number) for number in range(LETTERS)]
    shop.send(*bodies)
    given_up = threading.Event()

    def give_up() -> None:
        while shop.bodies():
            shop.take(1, 0)
        given_up.set()

    def look() -> None:
        while not given_up.is_set():
            shop.take(1, 0, "dead")

    threads = [threading.Thread(target=work, daemon=True) for work in (give_up, look, look)]
    for thread in threads:
        thread.start()
    assert given_up.wait(60), "they wait for each other"
    for thread in threads:
        thread.join(60)
    assert shop.bodies("dead") == sorted(bodies)


def test_a_delayed_message_is_not_there_yet(shop: Shop) -> None:
    """A message sent with a delay is not visible before."""
    shop.queues.send_message("work", "later", delay_seconds=60)
    assert shop.take() == []
    assert shop.queues.queue("work").approximate_number_of_messages_delayed == 1


@pytest.mark.parametrize(("size", "taken"), [(1_048_576, True), (1_048_577, False)])
def test_messages_end_at_their_limit(shop: Shop, size: int, taken: bool) -> None:
    """A message is as large as the queue says, in bytes, and no larger."""
    if taken:
        shop.send("x" * size)
        return
    with pytest.raises(InvalidParameterValue, match="1048576 bytes"):
        shop.send("x" * size)


def test_fifo_queues_are_refused(shop: Shop) -> None:
    """What is not implemented is refused, not half done."""
    with pytest.raises(InvalidParameterValue, match="FIFO"):
        shop.queues.create_queue("ordered.fifo")


def test_a_receiver_that_waits_gets_a_message_when_it_comes(shop: Shop) -> None:
    """Long polling ends with the first message."""
    found: list[Message] = []
    receiver = threading.Thread(target=lambda: found.extend(shop.queues.receive_message("work", 10, 20, 60)))
    receiver.start()
    shop.send("a")
    receiver.join(5)
    assert [message.body for message in found] == ["a"]


def test_a_receiver_that_waits_can_be_called_off(shop: Shop) -> None:
    """Who is told to stop does not wait for the end of the poll."""
    stop = threading.Event()
    receiver = threading.Thread(target=lambda: shop.queues.receive("work", 10, 20, 60, stop.is_set))
    receiver.start()
    stop.set()
    shop.queues.queue("work").wake()
    receiver.join(5)
    assert not receiver.is_alive()


def test_a_new_start_finds_what_was_left(shop: Shop, tmp_path: Path) -> None:
    """Messages are visible again after a start, with the tries they have had; deleted ones are not."""
    shop.send("poison", "deleted", "fresh")
    shop.take(1, 600)
    (deleted,) = shop.take(1)
    shop.queues.delete_message("work", handle(deleted))
    shop.state.close()
    again = Shop(tmp_path)
    assert {message.body: message.approximate_receive_count for message in again.take(10, 0)} == {
        "poison": 2,
        "fresh": 1,
    }
    assert [message.body for message in again.take(10, 0)] == ["fresh"]
    assert again.bodies("dead") == ["poison"]
    again.state.close()


def test_nobody_gets_a_message_twice_from_a_race(shop: Shop) -> None:
    """Eight receivers at once share a hundred messages: each message goes to one."""
    shop.send(*(str(number) for number in range(100)))
    found: list[str] = []

    def receive() -> None:
        while messages := shop.take(3):
            found.extend(message.body for message in messages)

    receivers = [threading.Thread(target=receive) for _ in range(8)]
    for receiver in receivers:
        receiver.start()
    for receiver in receivers:
        receiver.join(20)
    assert sorted(found, key=int) == [str(number) for number in range(100)]
