"""The command line: `tilewise train`, `evaluate`, `predict`, `models`, `summary`, `convert` ….

Errors are one line on standard error. Exit codes: 0 for success, 1 for bad data or a failed run,
2 for a command line that cannot be understood, 128 + n after signal n (130 for Ctrl-C).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from .. import __version__
from .common import explain
from .convert import convert
from .evaluate import evaluate
from .info import info
from .models import models
from .predict import predict
from .summary import summary
from .train import train


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(__version__, message="tilewise %(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """Train and run convolutional networks on an ordinary CPU.

    \b
    Example:
      tilewise train fashion-mnist
    """  # noqa: D301
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (train, evaluate, predict, models, summary, convert, info):
    app.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    Example:
        >>> main(["--version"])  # doctest: +SKIP
    """
    try:
        code = app.main(args=arguments, prog_name="tilewise", standalone_mode=False)
    except click.UsageError as error:
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx is not None else ""
        _leave(f"{' '.join(error.format_message().split())}{hint}", 2)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _leave("interrupted", 130)
    except click.ClickException as error:
        _leave(error.format_message(), 1)
    except (OSError, ValueError, ArithmeticError, ImportError, MemoryError) as error:
        _leave(explain(error), 1)
    sys.exit(code if isinstance(code, int) else 0)


def _leave(message: str, code: int) -> None:
    click.echo(f"tilewise: {message}", err=True)
    sys.exit(code)
