"""What a record's bytes say: from value, headers and timestamp to Segment events, or to the reason why not.

Owns: formats (JSON, Avro, JSON Schema with the registry's prefix), envelopes, renames and fallbacks, limits.
Must never do I/O: a schema that is not there yet is a value (`SchemaUnavailable`), which the caller resolves and tries
again. Must never raise, and never say in a message what an event contains.
"""

from consumer.kafka.decode.avro import AvroSchema, SchemaError
from consumer.kafka.decode.decoder import Decoded, Decoder, Event
from consumer.kafka.decode.envelopes import PRESETS
from consumer.kafka.decode.fallbacks import Fallbacks
from consumer.kafka.decode.formats import FORMATS
from consumer.kafka.decode.limits import DecodeLimits
from consumer.kafka.decode.normalise import Normalise
from consumer.kafka.decode.schemas import (
    Schema,
    SchemaId,
    SchemaKind,
    SchemaNotLoadedError,
    SchemaSource,
    SchemaUnavailable,
)

__all__ = [
    "FORMATS",
    "PRESETS",
    "AvroSchema",
    "DecodeLimits",
    "Decoded",
    "Decoder",
    "Event",
    "Fallbacks",
    "Normalise",
    "Schema",
    "SchemaError",
    "SchemaId",
    "SchemaKind",
    "SchemaNotLoadedError",
    "SchemaSource",
    "SchemaUnavailable",
]
