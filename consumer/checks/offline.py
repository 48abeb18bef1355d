"""What ``run`` refuses at its start before it has connected to anything: the parts are made here as there, and let go.

Types and rules are the settings' own (`consumer.config`); a certificate that is none, a schema that cannot be read by
or a property that librdkafka does not know shows only when somebody makes something of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import Consumer, Producer
from msgspec.structs import replace

from consumer.config.mappings import load_mappings
from consumer.decoding import open_decoding
from consumer.destination import Destination
from consumer.errors import ConfigurationError
from consumer.from_settings import source_config
from consumer.kafka.properties import consumer_properties, make_client, producer_properties
from consumer.kafka.topics import Subscription
from consumer.ops.log import EventLogger, RareWarnings
from consumer.reload import build_router

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.config.model import Settings
    from consumer.errors import Problem


def problems(settings: Settings) -> Sequence[Problem]:
    """Everything that would be refused; nothing is connected to."""
    found: dict[str, Problem] = {}
    for make in (_mappings, _webhook, _decoding, _kafka):
        try:
            make(settings)
        except ConfigurationError as error:
            found |= {str(problem): problem for problem in error.problems}
    return list(found.values())


def _mappings(settings: Settings) -> None:
    try:
        build_router(settings, load_mappings(settings.mappings_file))
    except ConfigurationError as error:
        raise ConfigurationError(
            [replace(each, path=f"mappings_file.{each.path}") for each in error.problems]
        ) from None


def _webhook(settings: Settings) -> None:
    Destination(settings, RareWarnings(EventLogger("consumer")))


def _decoding(settings: Settings) -> None:
    open_decoding(settings.source)


def _kafka(settings: Settings) -> None:
    Subscription(settings.kafka.topics)
    given, config = settings.kafka.client_properties(), source_config(settings)
    reading, writing = consumer_properties(config), producer_properties(config.bootstrap_servers, given)
    for properties, client in ((reading, Consumer), (writing, Producer)):
        del properties["bootstrap.servers"]  # without them it has nowhere to connect to
        make_client(client, properties | {"log_level": 0}, given)
