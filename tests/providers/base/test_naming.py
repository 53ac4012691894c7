"""Names that differ from model to model, and sentences that refuse."""

from __future__ import annotations

from datetime import date

import pytest

from easel import providers
from easel.providers.base.capabilities import Model
from easel.providers.base.errors import InvalidRequest
from easel.providers.base.naming import named
from easel.providers.base.refusal import is_refusal
from easel.router.catalog import load_catalog, unknown_model

USUAL = {"images": "images[]", "n": "num_images"}
RENAMED = unknown_model(
    "fal", "a-tool", as_of=date(2026, 11, 23), source="the test", facts={"wire_names": {"images": "image_url"}}
)
PLAIN = unknown_model("fal", "a-model", as_of=date(2026, 11, 23), source="the test")


def test_a_field_has_the_models_name_else_the_vendors_else_its_own() -> None:
    said = {"images": ["one"], "n": 2, "seed": 42}
    assert named(said, PLAIN, USUAL) == {"images": ["one"], "num_images": 2, "seed": 42}
    assert named(said, RENAMED, USUAL) == {"image_url": "one", "num_images": 2, "seed": 42}


def test_what_is_not_said_is_left_out_and_zero_is_said() -> None:
    assert named({"images": [], "n": None, "seed": 0}, PLAIN, USUAL) == {"seed": 0}


def test_a_list_of_one_stays_a_list() -> None:
    assert named({"mask": "white"}, PLAIN, {"mask": "masks[]"}) == {"masks": ["white"]}


def test_none_of_several_pictures_is_left_out() -> None:
    with pytest.raises(InvalidRequest, match="takes one of images, as image_url, not 2"):
        named({"images": ["one", "two"]}, RENAMED, USUAL)


@pytest.mark.parametrize(
    "model", [each for each in load_catalog().models.values() if each.wire_names], ids=lambda model: model.key
)
def test_every_name_in_the_catalogue_is_one_that_its_adapter_answers_for(model: Model) -> None:
    wire = providers.adapter(model.provider).wire
    for field, name in model.wire_names.items():
        assert wire[name.removesuffix("[]")] == field


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("The input or output was flagged as sensitive. Please try again with different inputs. (E005)", True),
        ("Content was flagged by the safety system. Try different prompts or inputs.", True),
        ("Your prompt was caught by our AI moderator. Please adjust it and try again!", True),
        ("NSFW content detected", True),
        ("The prompt did not pass content moderation", True),
        ("rejected by our moderation system", True),
        ("prompt_content_moderation: value is not a valid boolean", False),
        ("Invalid value for 'moderation': expected low or auto", False),
        ("Unknown field: enable_safety_checker", False),
        ("internal error, please try again later", False),
        ("the server is busy", False),
        ("resolution is not within the range of allowed options", False),
        ("CUDA out of memory", False),
    ],
)
def test_a_refusal_is_told_from_a_failure(said: str, refused: bool) -> None:
    assert is_refusal(said) is refused
