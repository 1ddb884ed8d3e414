"""Stages of a pipeline: functions that run in processes of their own, each joined to this one by a pipe.

Processes, because a runtime may hold Python's lock while it computes, as ExecuTorch's bindings do: threads would take
turns. A pipe holds less than a frame, so that a stage is at most one item ahead and memory stays bounded.
"""

import importlib
import multiprocessing
import pickle
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

from tinysam2.core.silencing import silenced
from tinysam2.mobile_runtime.threads import one_thread

SECONDS_TO_END = 10.0
"""How long a stage may take to notice that it is no longer wanted, and to clean up."""

OTHER_SIDE_ENDED = (EOFError, BrokenPipeError, ConnectionResetError)


class Stage:
    """A process that runs one function, `begin(function, *arguments)`, as `function(connection, *arguments)`.

    Use as a context manager: the process ends with the block, its work done or not. It imports `modules` from its
    start on, beside whatever this process does. What the function raises is raised here by `send` and `receive`.
    """

    def __init__(self, *modules: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, modules), daemon=True)
        self._process.start()
        # Else this process would keep the pipe open when the other one ends.
        theirs.close()

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()
        self._process.join(SECONDS_TO_END)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()

    @property
    def process_id(self) -> int:
        """The process's number in the system."""
        assert self._process.pid is not None
        return self._process.pid

    def begin(self, function: Callable, *arguments: object) -> None:
        """Starts the function. It and its arguments must be picklable."""
        self.send((function, arguments))

    def send(self, item: object) -> None:
        """Passes an item on, once the stage takes it."""
        # As bytes, because `Connection.send` passes a view of a buffer, and where the pipe is broken early versions of
        # Python 3.12 crash when both are collected.
        content = pickle.dumps(item)
        try:
            self._connection.send_bytes(content)
        except OTHER_SIDE_ENDED:
            # It has said why before it ended.
            self.receive()
            raise

    def receive(self) -> object:
        """The stage's next item, once there is one."""
        try:
            item = self._connection.recv()
        except OTHER_SIDE_ENDED as error:
            self._process.join(SECONDS_TO_END)
            status = self._process.exitcode
            raise RuntimeError(f"a process of the pipeline ended without an answer, with status {status}") from error
        if isinstance(item, _Failure):
            raise item.error
        return item


class _Failure:
    """What a stage's function raised."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _serve(connection: Connection, modules: tuple[str, ...]) -> None:
    """The stage's process."""
    # Ctrl-C reaches every process of the terminal; the one that has the pipeline ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with silenced():
            for module in modules:
                importlib.import_module(module)
        function, arguments = connection.recv()
        with one_thread():
            function(connection, *arguments)
    except OTHER_SIDE_ENDED:
        return
    except BaseException as error:
        with suppress(*OTHER_SIDE_ENDED):
            try:
                connection.send(_Failure(error))
            except (TypeError, ValueError, AttributeError):
                # An exception that cannot be pickled.
                connection.send(_Failure(RuntimeError(f"{type(error).__name__}: {error}")))
