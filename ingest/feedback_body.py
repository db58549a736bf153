"""An answer as it comes through the feedback API or the page behind a link, checked and cleaned."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ingest.answers import Refused, wrong_field
from ingest.json_text import WHOLE_DOCUMENT
from schemas.events import FeedbackType
from schemas.ids import is_desk_id
from sinks.servicedesk.storable_text import storable

MAX_COMMENT = 4000
MAX_NAME = 200
MOST_MINUTES = 24 * 60


def _clean(value: Any) -> Any:
    return storable(value).strip() or None if isinstance(value, str) else value


Comment = Annotated[str | None, Field(max_length=MAX_COMMENT), BeforeValidator(_clean)]
Name = Annotated[str | None, Field(max_length=MAX_NAME), BeforeValidator(_clean)]


def _no_path(ticket_id: str) -> str:
    if not is_desk_id(ticket_id):
        raise ValueError("is no ticket's id")
    return ticket_id


class Opinion(BaseModel):
    """What somebody thinks of a note. `feedback_type` may be left out when a rating is given; type rating needs one."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    feedback_type: FeedbackType
    rating: Annotated[int, Field(strict=True, ge=1, le=5)] | None = None
    comment: Comment = None
    submitted_by: Name = None
    minutes_saved: Annotated[int, Field(strict=True, ge=0, le=MOST_MINUTES)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _type_from_rating(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("feedback_type") is None and data.get("rating") is not None:
            return {**data, "feedback_type": FeedbackType.RATING}
        return data

    @model_validator(mode="after")
    def _rating_has_one(self) -> Opinion:
        if self.feedback_type is FeedbackType.RATING and self.rating is None:
            raise ValueError("feedback_type rating needs a rating of 1-5")
        return self


class FeedbackBody(Opinion):
    """The body of `POST /api/v1/feedback`."""

    ticket_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}\z"), AfterValidator(_no_path)]
    tenant_id: str | None = None
    enhancement_id: UUID | None = None


def parse_feedback(document: Any) -> FeedbackBody:
    """Raises Refused: 422 with the field's path."""
    try:
        return FeedbackBody.model_validate(document)
    except ValidationError as error:
        raise refusal(error) from None


def refusal(error: ValidationError) -> Refused:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in fault["loc"]) or WHOLE_DOCUMENT
    message = "is missing" if fault["type"] == "missing" else fault["msg"].removeprefix("Value error, ")
    return wrong_field(path, f"{path}: {message}")
