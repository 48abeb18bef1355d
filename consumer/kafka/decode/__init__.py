"""What a record's bytes say: from value, headers and timestamp to Segment events, or to the reason why not.

Owns: formats (JSON, Avro, JSON Schema with the registry's prefix), envelopes, renames and fallbacks, limits.
Must never do I/O: a schema that is not there yet is a value (`SchemaUnavailable`), which the caller resolves and tries
again. Must never raise, and never say in a message what an event contains.
"""

from consumer.kafka.decode.decoder import FORMATS, Decoded, Decoder, Event
from consumer.kafka.decode.envelopes import PRESETS
from consumer.kafka.decode.fallbacks import Fallbacks
from consumer.kafka.decode.limits import DecodeLimits
from consumer.kafka.decode.normalise import Normalise

__all__ = ["FORMATS", "PRESETS", "DecodeLimits", "Decoded", "Decoder", "Event", "Fallbacks", "Normalise"]
