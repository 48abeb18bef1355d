"""A file that holds one secret, as Kubernetes and Docker mount them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES: Final = 65_536


def read_secret(path: Path) -> tuple[str, str]:
    """The secret, without the space around it, and what is wrong ("" if nothing); the text is never in the message.

    A byte order mark, as some editors write, is no part of it.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
        secret = text.decode("utf-8-sig").strip()
    except OSError as error:
        return "", f"cannot be read ({error.strerror}); check the path, its mode, and the volume if it is mounted"
    except ValueError:  # not UTF-8, or a NUL in the path
        return "", "is not UTF-8 text; is it the right file?"
    if not secret:
        return "", "is empty; put the secret in it"
    if len(text) > _MAX_BYTES:
        return "", "is too large for a secret; is it the right file?"
    return secret, ""
