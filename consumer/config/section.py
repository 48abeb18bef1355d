"""What every section of the settings shares: the model's strictness, and the types of plain values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict

# Strict: `true` is no number and "yes" no truth value; what was meant is asked for instead of guessed.
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Flag = Annotated[bool, Strict()]
Name = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """What all sections share."""

    model_config = ConfigDict(
        frozen=True,
        defer_build=True,  # once, within the whole: each section by itself costs a third of the service's import
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,  # an error that is printed by accident holds no secret
    )
