"""Finds the data files that come with the package: schemas and sample events.

In a checkout they are in ``schemas/`` beside the package; a wheel carries the same folder within it.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
_FOLDERS = (_PACKAGE / "_schemas", _PACKAGE.parent / "schemas")


def resource(name: str) -> Path:
    """The path of a data file, such as ``examples/events.jsonl`` or ``json/event.schema.json``.

    Raises:
        FileNotFoundError: the installation lacks it; the message says where it was looked for.
    """
    for folder in _FOLDERS:
        path = folder / name
        if path.is_file():
            return path
    looked = " and ".join(map(str, _FOLDERS))
    raise FileNotFoundError(f"{name} is missing from this installation (looked in {looked}); install the package again")
