"""`tilewise info`: what the library found on this machine."""

from __future__ import annotations

import click


@click.command()
def info() -> None:
    """Show the version, the instruction set, caches and threads.

    \b
    Example:
      tilewise info
    """  # noqa: D301
    from .. import show_config

    for name, value in show_config().items():
        if name.endswith("_cache"):
            text = f"{value // 1024:,} KiB"
        else:
            text = ", ".join(value) if isinstance(value, list) else str(value)
        click.echo(f"{name.replace('_', ' '):<16} {text}")
