"""generate and edit: what is written, what is said, and how it ends."""

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image

from .conftest import Easel

ANSWER = {
    "request_id",
    "rule",
    "plan",
    "dropped",
    "relaxations",
    "estimate",
    "attempts",
    "adaptations",
    "warnings",
    "images",
    "usage",
    "cost",
    "rules_hash",
}
IMAGE = {"path", "media_type", "width", "height", "has_alpha", "sha256"}


def test_json_is_one_object_of_a_known_shape(easel: Easel, home: Path) -> None:
    ended = easel("generate", "a poster", "--text", "OPEN", "--simulate", "-o", "poster.png", "--json")
    assert ended.code == 0
    found = ended.json
    assert set(found) == ANSWER
    assert [set(each) for each in found["images"]] == [IMAGE]
    image = found["images"][0]
    data = (home / image["path"]).read_bytes()
    assert image["sha256"] == hashlib.sha256(data).hexdigest()
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (image["width"], image["height"])
        assert Image.MIME[picture.format or ""] == image["media_type"]
    assert found["rule"] == "typography"
    assert [each["outcome"] for each in found["attempts"]] == ["done"]
    assert all(isinstance(found["estimate"][name], str) for name in ("low", "expected", "worst"))
    assert isinstance(found["cost"]["actual_usd"], str)


def test_a_file_that_is_there_is_not_overwritten_and_nothing_is_sent(easel: Easel, home: Path) -> None:
    (home / "kite.png").write_bytes(b"mine")
    asked = ("generate", "a red kite", "--simulate", "-o", "kite.png", "--ledger", "l.db")
    ended = easel(*asked)
    assert ended.code == 2
    assert "kite.png is there already; --force overwrites it" in ended.err
    assert (home / "kite.png").read_bytes() == b"mine"
    assert not (home / "l.db").exists()
    assert easel(*asked, "--force").code == 0
    assert (home / "kite.png").read_bytes().startswith(b"\x89PNG")


def test_several_pictures_get_numbers(easel: Easel, home: Path) -> None:
    ended = easel("generate", "a kite", "-n", "2", "--simulate", "-o", "kite.webp", "--model", "openai/gpt-image-2")
    assert ended.code == 0
    assert sorted(each.name for each in home.iterdir()) == ["kite-1.webp", "kite-2.webp"]


def test_the_number_goes_where_the_pattern_says(easel: Easel, home: Path) -> None:
    arguments = ("-n", "2", "--simulate", "-o", "out/{n}-kite", "--model", "openai/gpt-image-2")
    assert easel("generate", "a kite", *arguments).code == 0
    assert sorted(each.name for each in (home / "out").iterdir()) == ["1-kite.png", "2-kite.png"]


def test_the_name_ends_in_what_the_picture_is(easel: Easel, home: Path) -> None:
    ended = easel("generate", "a kite", "--format", "webp", "--simulate", "-o", "kite.png", "--json")
    assert [each["path"] for each in ended.json["images"]] == ["kite.webp"]
    assert "the picture is image/webp, so its name ends in .webp" in ended.json["warnings"]
    assert (home / "kite.webp").exists()


def test_without_a_name_it_is_named_after_the_prompt_and_never_twice(easel: Easel, home: Path) -> None:
    for _ in range(2):
        assert easel("generate", "A red kite, over: dunes!", "--simulate", "--format", "png").code == 0
    assert sorted(each.name for each in home.iterdir()) == ["a-red-kite-over-dunes-2.png", "a-red-kite-over-dunes.png"]


def test_a_folder_is_made_when_its_name_ends_in_a_slash(easel: Easel, home: Path) -> None:
    assert easel("generate", "a kite", "--simulate", "--format", "png", "-o", "new/pictures/").code == 0
    assert [each.name for each in (home / "new" / "pictures").iterdir()] == ["a-kite.png"]


def test_previews_are_saved_beside(easel: Easel, home: Path) -> None:
    arguments = ("--partial-images", "2", "--model", "openai/gpt-image-2", "--simulate", "-o", "kite.png")
    ended = easel("generate", "a kite", *arguments)
    assert ended.code == 0
    assert sorted(each.name for each in home.iterdir()) == ["kite-preview-1.png", "kite-preview-2.png", "kite.png"]


def test_an_edit_takes_picture_and_mask(easel: Easel, home: Path) -> None:
    Image.new("RGB", (1024, 1024), "navy").save(home / "sky.png")
    mask = Image.new("RGBA", (1024, 1024), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (256, 256, 768, 768))
    mask.save(home / "mask.png")
    ended = easel("edit", "a moon", "--image", "sky.png", "--mask", "mask.png", "--simulate", "-o", "moon.png")
    assert ended.code == 0, ended.err
    with Image.open(home / "moon.png") as picture:
        assert picture.convert("RGB").crop((0, 0, 256, 1024)).getcolors() == [(256 * 1024, (0, 0, 128))]


def test_the_table_says_who_why_and_how_much(easel: Easel) -> None:
    ended = easel("generate", "a poster", "--text", "OPEN", "--simulate", "-o", "p.png", "--request-id", "r-1")
    for said in ("p.png", "openai/gpt-image-2 done", "choice 1 of route 'typography'", "text emulated", "$0.", "r-1"):
        assert said in ended.out


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (("a kite", "-n", "0"), 2, "request_error"),
        (("a kite", "--size", "big"), 2, "request_error"),
        (("a kite", "--policy", "size"), 2, "request_error"),
        (("a kite", "--option", "bfl=2"), 2, "request_error"),
        (("a kite", "--fault", "opnai=down"), 2, "request_error"),
        (("a kite", "--config", "missing.yaml"), 2, "config_error"),
        (("forbidden-prompt", "--model", "google/gemini-3-pro-image"), 3, "moderation_blocked"),
        (("a kite", "--background", "transparent", "--model", "bfl/flux-2-pro"), 4, "no_model_can"),
        (("a kite", "--model", "openai/gpt-image-2", "--fault", "openai=bad_key"), 5, "all_attempts_failed"),
        (("a kite", "--max-cost", "0.0001"), 6, "over_budget"),
    ],
)
def test_each_end_has_its_code(easel: Easel, arguments: tuple[str, ...], code: int, kind: str) -> None:
    ended = easel("generate", *arguments, "--simulate", "--json")
    assert (ended.code, ended.json["error"]["kind"]) == (code, kind)
    assert ended.err.startswith("error ")
    assert "Traceback" not in ended.err


def test_an_unknown_option_is_a_matter_of_usage(easel: Easel) -> None:
    ended = easel("generate", "a kite", "--siez", "1024x1024")
    assert ended.code == 2
    assert "--size" in ended.err


def test_errors_have_the_keys_of_an_answer_as_far_as_there_are_any(easel: Easel) -> None:
    failed = easel(
        "generate", "a kite", "--model", "openai/gpt-image-2", "--simulate", "--fault", "openai=bad_key", "--json"
    ).json
    assert set(failed) == {"request_id", "error", "attempts"}
    assert [each["outcome"] for each in failed["attempts"]] == ["authentication_failed"]
    nobody = easel("generate", "a kite", "--max-cost", "0.0001", "--simulate", "--json").json
    assert set(nobody) == {"request_id", "error", "dropped", "relaxations"}
    mended = easel("generate", "a kite", "--size", "big", "--simulate", "--json").json
    assert mended["error"]["field"] == "size"


def test_pictures_that_are_not_what_was_asked_for_are_kept_apart(easel: Easel, home: Path) -> None:
    arguments = ("--background", "transparent", "--model", "openai/gpt-image-2", "-o", "kite.png")
    ended = easel("generate", "a kite", *arguments, "--simulate", "--fault", "openai=opaque", "--json")
    assert ended.code == 5
    assert [each["path"] for each in ended.json["rejected"]] == ["kite-rejected.png"]
    assert [each.name for each in home.iterdir()] == ["kite-rejected.png"]
    assert "1 picture is paid for, and not what was asked for: kite-rejected.png" in ended.err


def test_without_keys_it_says_which_variables_and_what_to_try(easel: Easel) -> None:
    ended = easel("generate", "a kite")
    assert ended.code == 4
    assert "OPENAI_API_KEY is not set" in ended.err
    assert "--simulate" in ended.err


def test_another_day_is_for_simulated_vendors(easel: Easel) -> None:
    ended = easel("generate", "a kite", "--on", "2026-12-02")
    assert ended.code == 2
    assert "--simulate" in ended.err
    assert easel("generate", "a kite", "--on", "tomorrow").code == 2


def test_vendors_own_fields_are_passed_on(easel: Easel) -> None:
    arguments = ("--model", "bfl/flux-2-pro", "--option", "bfl.safety_tolerance=2", "--simulate", "-o", "kite")
    ended = easel("generate", "a kite", *arguments, "--json")
    passed = [each for each in ended.json["adaptations"] if each["kind"] == "passed"]
    assert [(each["field"], each["asked"]) for each in passed] == [("provider_options.bfl.safety_tolerance", "2")]


def test_what_a_vendor_says_cannot_command_the_terminal(easel: Easel) -> None:
    ended = easel("generate", "a kite", "--model", "evil\x1b]0;title\x07", "--simulate")
    assert ended.code == 2
    assert "\x1b" not in ended.err


def test_the_error_of_a_configuration_has_its_place(easel: Easel, home: Path) -> None:
    (home / "own.yaml").write_text("version: 1\nroutes:\n  - name: a\n    perfer: [openai/gpt-image-2]\n")
    ended = easel("generate", "a kite", "--config", "own.yaml", "--simulate", "--json")
    assert ended.code == 2
    problems = ended.json["error"]["problems"]
    assert {each["file"] for each in problems} == {"own.yaml"}
    assert [each["column"] for each in problems if "did you mean 'prefer'?" in each["message"]] == [5]
