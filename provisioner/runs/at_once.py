"""Calling for many questions at once, in a few threads."""

from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

Q = TypeVar("Q")
T = TypeVar("T")

_THREADS = 8


def at_once(call: Callable[[Q], T], questions: Sequence[Q], waiting: Callable[[int], float] | None = None) -> list[T]:
    """Call for every question, a few at the same time, and return the answers in order.

    The threads are daemons, and the caller's thread waits on a queue: Ctrl-C ends the wait at once, and a process that
    ends waits for none of them. What a call raises is raised here, once no thread calls any more.

    Args:
        call: shared by the threads.
        questions: they are taken up in this order.
        waiting: is told how many answers are there before each is waited for, and returns after how many seconds it
            wants to be told again; None where nobody wants to be told, and one question then needs no thread.
    """
    if waiting is None and len(questions) == 1:
        return [call(questions[0])]
    todo: SimpleQueue[tuple[int, Q]] = SimpleQueue()
    for item in enumerate(questions):
        todo.put(item)
    done: SimpleQueue[tuple[int, T] | BaseException] = SimpleQueue()
    failed = Event()
    work = partial(_work, call, todo, done, failed)
    threads = [Thread(target=work, name="probe", daemon=True) for _ in range(min(_THREADS, len(questions)))]
    for thread in threads:
        thread.start()
    answers: dict[int, T] = {}
    while len(answers) < len(questions):
        try:
            answer = done.get(timeout=waiting(len(answers)) if waiting else None)
        except Empty:
            continue
        if isinstance(answer, BaseException):
            for thread in threads:
                thread.join()
            raise answer
        answers[answer[0]] = answer[1]
    return [answers[place] for place in range(len(questions))]


def _work(
    call: Callable[[Q], T],
    todo: SimpleQueue[tuple[int, Q]],
    done: SimpleQueue[tuple[int, T] | BaseException],
    failed: Event,
) -> None:
    while not failed.is_set():
        try:
            place, question = todo.get_nowait()
        except Empty:
            return
        try:
            done.put((place, call(question)))
        except BaseException as error:  # noqa: BLE001  raised again in the thread that waits
            failed.set()
            done.put(error)
