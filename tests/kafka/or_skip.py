"""What stands for a test of Apache Kafka where there is none: a skip that says what is missing, or with CI=true a failure."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.kafka.jars import KafkaNotToBeHadError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def or_skip() -> Iterator[None]:
    """Skip where what is started within cannot be had here."""
    try:
        yield
    except KafkaNotToBeHadError as error:
        # `make test` needs no Java, Maven or Docker; with CI=true tests/conftest.py makes a failure of this skip.
        pytest.skip(f"not to be had: {error}")
