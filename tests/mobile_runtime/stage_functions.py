"""What the tests run in stages: functions that another process can import."""

import os
import time


def echo(connection, *first):
    """Gives its arguments and then whatever it takes, until None."""
    connection.send(first)
    while (item := connection.recv()) is not None:
        connection.send(item)


def refuse(connection, sentence):
    from tinysam2.core.errors import InputError

    raise InputError(sentence)


def fail_for_good(connection):
    class LocalError(Exception):
        """Cannot be pickled."""

    raise LocalError("as it is")


def vanish(connection):
    os._exit(7)


def idle(connection, path):
    """Says that it began, and ends with the pipe."""
    connection.send("began")
    try:
        connection.recv()
    finally:
        with open(path, "w") as file:
            file.write("ended")


def sleep(connection):
    time.sleep(600)
