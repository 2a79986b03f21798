"""Options, errors and settings that commands share."""

from __future__ import annotations

import logging
from pathlib import Path

import click

PATH = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)
AT_LEAST_1 = click.IntRange(min=1)

data_option = click.option(
    "--data",
    type=FOLDER,
    metavar="DIR",
    help="Folder of the data. Default: $TILEWISE_DATA, the system's copy, the user's cache, else "
    "the sample inside the package.",
)
download_option = click.option(
    "--download", is_flag=True, help="Fetch the official files where no copy is found."
)
threads_option = click.option(
    "--threads", type=AT_LEAST_1, metavar="N", help="Threads. Default: the cores in reach."
)


class Failure(click.ClickException):
    """An error that is the data's or the machine's, not the command line's."""


def set_threads(threads: int | None) -> None:
    """Compute on that many threads; None leaves the number as it is."""
    if threads is not None:
        from .. import set_num_threads

        set_num_threads(threads)


def quieten() -> None:
    """Warnings of the library as single lines; what the command itself says, not twice."""
    logging.basicConfig(level=logging.WARNING, format="tilewise: %(message)s")
    logging.getLogger("tilewise.data.vision").setLevel(logging.ERROR)


def explain(error: BaseException) -> str:
    """An exception as one line."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())
