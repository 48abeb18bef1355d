"""``value[key]`` as JavaScript answers it, for JSON values: own keys, indexes, ``length``, the engine's members."""

from __future__ import annotations

from typing import Any, Final

from consumer.segment.js import UNDEFINED, NativeFunction, is_index, to_units, utf16_length

_OBJECT: Final = (
    "constructor hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf "
    "__defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__"
)
_ARRAY: Final = (
    "at concat copyWithin entries every fill filter find findIndex findLast findLastIndex flat flatMap forEach "
    "includes indexOf join keys lastIndexOf map pop push reduce reduceRight reverse shift slice some sort splice "
    "toReversed toSorted toSpliced unshift values with"
)
_STRING: Final = (
    "anchor at big blink bold charAt charCodeAt codePointAt concat endsWith fixed fontcolor fontsize includes indexOf "
    "isWellFormed italics lastIndexOf link localeCompare match matchAll normalize padEnd padStart repeat replace "
    "replaceAll search slice small split startsWith strike sub substr substring sup toLocaleLowerCase "
    "toLocaleUpperCase toLowerCase toUpperCase toWellFormed trim trimEnd trimLeft trimRight trimStart"
)
_NUMBER: Final = "toExponential toFixed toPrecision"

OBJECT_MEMBERS: Final = frozenset((*_OBJECT.split(), "__proto__"))
"""What every JavaScript value but null and undefined answers to, besides its own keys."""

_MEMBERS: Final[dict[type, frozenset[str]]] = {
    dict: OBJECT_MEMBERS,
    list: OBJECT_MEMBERS.union(_ARRAY.split()),
    str: OBJECT_MEMBERS.union(_STRING.split()),
    int: OBJECT_MEMBERS.union(_NUMBER.split()),
    float: OBJECT_MEMBERS.union(_NUMBER.split()),
    bool: OBJECT_MEMBERS,
}
_CONSTRUCTORS: Final = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number", bool: "Boolean"}
_TEXT_NAMES: Final = {"trimLeft": "trimStart", "trimRight": "trimEnd"}
"""Methods that print under another name than the one they were reached by."""


def own(value: Any, key: str) -> Any:
    """The value's own property: a key of an object, an index or ``length`` of an array or a text; else `UNDEFINED`."""
    kind = type(value)
    if kind is dict:
        return value.get(key, UNDEFINED)
    if kind is list:
        if key == "length":
            return len(value)
        return value[int(key)] if is_index(key) and int(key) < len(value) else UNDEFINED
    if kind is str:
        if key == "length":
            return utf16_length(value)
        if is_index(key):
            units = to_units(value)
            return units[int(key)] if int(key) < len(units) else UNDEFINED
    return UNDEFINED


def member(value: Any, key: str) -> Any:
    """``value[key]`` of a value that is neither null nor undefined.

    What lies below one of the engine's own functions, or on a prototype, is taken for undefined: the original's answer
    there depends on the engine's version.
    """
    kind = type(value)
    found = own(value, key)
    if found is not UNDEFINED or key not in _MEMBERS.get(kind, ()):
        return found
    if kind is dict and key in value:
        return found
    if key == "__proto__":
        return [] if kind is list else {}
    return NativeFunction(_CONSTRUCTORS[kind] if key == "constructor" else _TEXT_NAMES.get(key, key))
