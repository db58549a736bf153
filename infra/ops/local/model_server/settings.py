"""What can be set on the model server: models, keys, price, and faults."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from infra.ops.local.faults import Fault


class ModelSettings(BaseModel):
    """Models it lists (it answers for any name unless `only_these`), keys it takes (any when empty), dollars a million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = ("local/writer", "local/fallback")
    only_these: bool = False
    api_keys: tuple[str, ...] = ()
    input_price: float = Field(default=0.15, ge=0)
    output_price: float = Field(default=0.60, ge=0)


class ModelFault(Fault):
    """A fault of the model server; for every model when `model` is None.

    `error_in_200` is an error body under status 200, as OpenRouter gives it when the provider fails; `status` is its code.
    `truncated` is an answer cut in half with finish_reason "length". `answer` replies with `text` instead of the note. `garbage`
    isn't JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    kind: Literal[
        "latency",
        "rate_limit",
        "error",
        "reset",
        "hang",
        "garbage",
        "empty_choices",
        "error_in_200",
        "truncated",
        "answer",
    ]
    when: Literal["before"] = "before"
    model: str | None = None
    message: str = "Provider returned error"
    text: str = ""

    def concerns(self, target: str) -> bool:
        return self.model is None or self.model == target


class FaultList(BaseModel):
    """The body of the control route that sets faults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    faults: tuple[ModelFault, ...]
