"""Arithmetic filters. What is no number counts as 0; results are doubles, infinities and NaN included."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from consumer.segment.js import MAX_SAFE_INTEGER, number_text, to_number
from consumer.segment.liquid.values import Context, number_or_zero

if TYPE_CHECKING:
    from collections.abc import Callable


def _arithmetic(function: Callable[..., float]) -> Callable[..., float]:
    """A filter whose value and arguments are taken as numbers; NaN where an argument is missing."""

    def apply(_context: Context, *values: Any) -> float:
        numbers = [number_or_zero(value) for value in values]
        try:
            return function(*numbers)
        except (OverflowError, ValueError):
            return math.nan

    return apply


def _rounded(function: Callable[[float], float]) -> Callable[..., float]:
    def apply(value: float, *_: float) -> float:
        return float(function(value)) if math.isfinite(value) else value

    return _arithmetic(apply)


def _abs(value: float, *_: float) -> float:
    return abs(value)


def _plus(value: float, other: float = math.nan, *_: float) -> float:
    return value + other


def _minus(value: float, other: float = math.nan, *_: float) -> float:
    return value - other


def _times(value: float, other: float = math.nan, *_: float) -> float:
    return value * other


def _divided_by(value: float, divisor: float = math.nan, whole: float = 0, *_: float) -> float:
    quotient = _quotient(value, divisor)
    return float(math.floor(quotient)) if whole and math.isfinite(quotient) else quotient


def _quotient(value: float, divisor: float) -> float:
    if divisor == 0:
        if value == 0 or math.isnan(value):
            return math.nan
        return math.copysign(math.inf, value) * math.copysign(1, divisor)
    return value / divisor


def _modulo(value: float, divisor: float = math.nan, *_: float) -> float:
    if divisor == 0:
        return math.nan
    return math.fmod(math.fmod(value, divisor) + divisor, divisor)


def _round(_context: Context, value: Any, places: Any = 0, *_: Any) -> float:
    """To a number of decimals, half away from zero, as the decimal text of the number has it."""
    number, digits = number_or_zero(value), number_or_zero(places)
    scaled = _shift(abs(number), digits)
    if not scaled <= MAX_SAFE_INTEGER:
        return number
    whole = math.floor(scaled)
    result = _shift(float(whole + (scaled - whole >= 0.5)), -digits)
    return -result if number < 0 else result


def _shift(number: float, places: float) -> float:
    """A number with its decimal point moved, without the error that multiplying would add."""
    mantissa, _, power = number_text(number).partition("e")
    exponent = to_number(power or "0") + places
    return to_number(f"{mantissa}e{number_text(exponent)}")


NUMBER_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "abs": _arithmetic(_abs),
    "at_least": _arithmetic(lambda *numbers: max(numbers)),
    "at_most": _arithmetic(lambda *numbers: min(numbers)),
    "ceil": _rounded(math.ceil),
    "divided_by": _arithmetic(_divided_by),
    "floor": _rounded(math.floor),
    "minus": _arithmetic(_minus),
    "modulo": _arithmetic(_modulo),
    "plus": _arithmetic(_plus),
    "round": _round,
    "times": _arithmetic(_times),
}
