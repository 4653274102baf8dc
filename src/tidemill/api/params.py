"""Query parameters, as the clients send them: `True` and `true`, `None` and nothing at all."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import BeforeValidator, Field


def absent(value: Any) -> Any:
    return None if value in ("", "None", "null") else value


def _flag(value: Any) -> Any:
    return False if value in ("", "None", "null") else value


Text = Annotated[str | None, BeforeValidator(absent)]
Number = Annotated[Annotated[int, Field(ge=-(2**63), lt=2**63)] | None, BeforeValidator(absent)]
Version = Annotated[Annotated[int, Field(ge=0, lt=2**31)] | None, BeforeValidator(absent)]
WaitSeconds = Annotated[Annotated[float, Field(ge=0, allow_inf_nan=False)] | None, BeforeValidator(absent)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Count = Annotated[int, Field(ge=0, le=1_000)]
Start = Annotated[int, Field(ge=0, lt=2**31)]
Numbered = Annotated[int, Path(ge=0, lt=2**31)]
"""A version or a save in the path."""
