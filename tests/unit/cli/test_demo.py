"""What the demo draws of what arrived."""

from __future__ import annotations

import io

from rich.console import Console

from consumer.cli.demo import _people


def test_names_are_drawn_as_they_are_and_never_acted_on():
    row = {"external_id": "1", "name": "[/foo] [bold red]x[/] \x1b[31mred"}
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    console.print(_people("Contacts", [row], {"id": "external_id", "name": "name"}))
    shown = console.file.getvalue()
    assert "[/foo] [bold red]x[/]" in shown
    assert "\x1b[31m" not in shown
