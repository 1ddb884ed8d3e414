"""The console command: runs a subcommand and turns what goes wrong into one line and an exit status."""

import errno
import importlib
import os
import signal
import sys
from typing import IO

import click

from tinysam2.commands import COMMANDS
from tinysam2.core.errors import InputError

BAD_INPUT = 2
INTERRUPTED = 130
TERMINATED = 143

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Failure(click.ClickException):
    """Ends the command with one sentence on standard error and a status."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.exit_code = status  # type: ignore[misc]  # click reads it of the instance

    def show(self, file: IO | None = None) -> None:
        click.echo(f"error: {self.message}", file=file or sys.stderr)


class Commands(click.Group):
    """The subcommands of `COMMANDS`, each imported when it is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return importlib.import_module(COMMANDS[name]).command if name in COMMANDS else None

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except InputError as error:
            raise Failure(str(error), BAD_INPUT) from error
        except click.UsageError as error:
            asked = error.ctx.command_path if error.ctx else context.command_path
            raise Failure(f"{error.format_message().rstrip('.')}; see {asked} --help", BAD_INPUT) from error
        except KeyboardInterrupt as interrupt:
            raise Failure("interrupted; earlier outputs are as they were", INTERRUPTED) from interrupt
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise Failure("the disk is full; free some of it, or write elsewhere", BAD_INPUT) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tinysam2", prog_name="tinysam2")
def commands() -> None:
    """TinySAM 2 for phones: from weights to checked Core ML, ExecuTorch and LiteRT artifacts.

    \b
    Example:
      tinysam2 sample-clip clip
      tinysam2 track clip/frames --backend torch --mask clip/masks/00000.png --output tracked
    """


def main() -> None:
    """Runs the command line. Exit status: 0 done, 1 a check failed, 2 bad input, 130 interrupted."""
    _open_closed_streams()
    # As an exception, so that unfinished outputs are removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    commands(prog_name="tinysam2")


def _open_closed_streams() -> None:
    """Opens on the null device whichever of standard input, output and error the caller closed.

    Otherwise the next file to be opened takes its number, and receives what native libraries print.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            os.set_inheritable(descriptor, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r", encoding="utf-8", closefd=False))
