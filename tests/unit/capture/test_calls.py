"""Calls between processes: what happens to them when one side is gone, or sends what is no call."""

import socket
import threading
from collections.abc import Iterator

import pytest

from components.capture.calls import MESSAGE_BYTES_MAX, Caller, answer_calls
from components.capture.crew_messages import EndCamera, Stop, post, receive
from components.shared.errors import Fatal, Rejected, Transient


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_many_threads_get_their_own_answers(pair: tuple[socket.socket, socket.socket]) -> None:
    """Calls take turns: nobody gets another's answer, however long it is."""
    ours, theirs = pair
    caller = Caller(ours)
    answering = threading.Thread(target=answer_calls, args=(theirs, {"repeat": lambda text, count: text * count}))
    answering.start()
    answers: dict[int, bool] = {}

    def ask(number: int) -> None:
        answers[number] = all(
            caller.call("repeat", str(number), count) == str(number) * count for count in (1, 10, 300_000)
        )

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert answers == dict.fromkeys(range(8), True)
    ours.close()
    answering.join(5.0)
    assert not answering.is_alive()


def test_nobody_answers_any_more(pair: tuple[socket.socket, socket.socket]) -> None:
    """A caller whose keeper is gone is told so: it must not go on."""
    ours, theirs = pair
    theirs.close()
    with pytest.raises(Fatal, match="owns the catalogue"):
        Caller(ours).call("streams")


def test_a_message_has_a_limit(pair: tuple[socket.socket, socket.socket]) -> None:
    """One that is longer is refused before it is sent, and a length that is longer before it is read."""
    ours, theirs = pair
    with pytest.raises(Rejected, match="is longer than"):
        Caller(ours).call("give", bytes(MESSAGE_BYTES_MAX))
    ours.sendall(b"\xff\xff\xff\xff")
    with pytest.raises(Fatal, match="disagree"):
        answer_calls(theirs, {})


def test_a_fault_in_the_program_is_not_answered(pair: tuple[socket.socket, socket.socket]) -> None:
    """What is no error of ours ends the one who answers, and so the keeper."""
    ours, theirs = pair
    failed: list[BaseException] = []

    def answer() -> None:
        try:
            answer_calls(theirs, {"broken": lambda: 1 // 0})
        except ZeroDivisionError as error:
            failed.append(error)
            theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(Fatal):
        Caller(ours).call("broken")
    thread.join(5.0)
    assert len(failed) == 1


def test_messages_are_never_waited_for() -> None:
    """A reader that reads nothing makes a post fail at once; what was posted before is there, in order."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        posted = 0
        with pytest.raises(Transient):
            for number in range(100_000):
                post(ours, EndCamera(f"cam-{number}"))
                posted += 1
        assert [receive(theirs) for _ in range(posted)] == [EndCamera(f"cam-{number}") for number in range(posted)]
        assert receive(theirs) is None
        post(ours, Stop())
        ours.close()
        assert receive(theirs) == Stop()
        with pytest.raises(EOFError):
            receive(theirs)
