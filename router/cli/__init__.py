"""The terminal's door: the program `easel`.

`commands.py` names the commands; each loads what it needs only when it runs, so that `easel --help` is quick.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """The `easel` program."""
    from .commands import app

    app()
