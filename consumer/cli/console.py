"""rich's console, for commands that draw; it is imported by those only, when they run."""

from __future__ import annotations

from typing import NoReturn

import rich.console


class Console(rich.console.Console):
    """Raises where nobody reads any more: `consumer.cli.main` has one end for all commands, and rich another."""

    def on_broken_pipe(self) -> NoReturn:
        """Rich's: called while the `BrokenPipeError` is handled.

        Raises:
            BrokenPipeError: that one.
        """
        raise  # noqa: PLE0704 - within rich's handler
