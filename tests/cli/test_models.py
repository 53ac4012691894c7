"""models: the list, its filters, the page, and the comparison with LiteLLM's price map."""

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from easel.router.catalog import load_catalog

from .conftest import Easel

MODELS = load_catalog().models


def names(easel: Easel, *arguments: str) -> set[str]:
    return {each["model"] for each in easel("models", "--json", *arguments).json}


# The list


def test_every_model_is_listed_with_its_facts(easel: Easel) -> None:
    rows = {each["model"]: each for each in easel("models", "--json", "--alive-on", "2026-11-23").json}
    found = rows["openai/gpt-image-1.5"]
    assert found["operations"] == ["generate", "edit"]
    assert found["transparent_background"] is True
    assert found["typography"] == "fair"
    assert found["sizes"] == "1024x1024, 1536x1024, 1024x1536"
    assert found["price_usd"].startswith("0.033")
    assert found["status"] == "deprecated"
    assert found["shutdown"] == "2026-12-01"
    assert found["as_of"] == "2026-11-23"
    assert names(easel) == set(MODELS)


@pytest.mark.parametrize("width", [20, 80, 110, 160, 240])
def test_no_terminal_is_too_narrow_for_a_name_or_a_fact(
    easel: Easel, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    told = easel("models")
    assert told.code == 0
    lines = told.out.splitlines()
    assert all(any(key in line for line in lines) for key in MODELS)
    words = " ".join(told.out.split())
    assert words.count("2026-12-01") >= sum(
        str(each.lifecycle.shutdown.value) == "2026-12-01" for each in MODELS.values()
    )
    assert max(map(len, lines)) <= max(width, *map(len, MODELS))


def test_a_price_that_is_not_the_vendors_own_word_says_so(easel: Easel) -> None:
    lines = easel("models", "--provider", "azure_openai").out.splitlines()
    assert all("third_party" in line for line in lines if line.startswith("azure_openai/"))


# Which


def test_models_are_narrowed_down(easel: Easel) -> None:
    assert {each.partition("/")[0] for each in names(easel, "--provider", "bfl")} == {"bfl"}
    both = names(easel, "--can", "transparent_background", "--can", "mask")
    assert both == names(easel, "--can", "mask") & names(easel, "--can", "transparent_background")
    assert names(easel, "--operation", "edit") == {k for k, each in MODELS.items() if "edit" in each.operations.value}
    assert "recraft/recraftv4_1_vector" in names(easel, "--can", "svg", "--can", "typography")
    assert "openai/gpt-image-1.5" in names(easel, "--alive-on", "2026-11-30")
    assert "openai/gpt-image-1.5" not in names(easel, "--alive-on", "2026-12-01")


def test_a_highest_price_leaves_out_what_has_no_known_price_and_says_how_many(easel: Easel) -> None:
    prices = {each["model"]: each["price_usd"] for each in easel("models", "--json").json}
    cheap = {key for key, price in prices.items() if price is not None and Decimal(price) <= Decimal("0.05")}
    assert names(easel, "--max-price", "0.05") == cheap
    unknown = sum(price is None for price in prices.values())
    assert f"{unknown} more have no known price" in easel("models", "--max-price", "0.05").out


def test_no_model_is_an_answer_too(easel: Easel) -> None:
    ended = easel("models", "--provider", "bfl", "--can", "svg")
    assert ended.code == 0
    assert ended.out.splitlines()[-1].startswith(f"0 of {len(MODELS)} models")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--provider", "opnai", "--provider is 'opnai'; did you mean 'openai'?"),
        ("--can", "transparent-background", "did you mean 'transparent_background'?"),
        ("--can", "fly", "possible here: character_consistency, "),
        ("--operation", "edti", "--operation is 'edti'; did you mean 'edit'?"),
        ("--max-price", "cheap", "--max-price is 'cheap'; it must be US dollars for one picture, such as 0.05"),
        ("--max-price", "-1", "such as 0.05"),
        ("--max-price", "nan", "such as 0.05"),
        ("--alive-on", "soon", "'soon' is not a date, such as 2026-12-02"),
    ],
)
def test_words_that_mean_nothing_are_refused(easel: Easel, option: str, value: str, said: str) -> None:
    ended = easel("models", option, value)
    assert ended.code == 2
    assert said in " ".join(ended.err.split())
    assert ended.out == ""


def test_models_of_ones_own_are_listed(easel: Easel, home: Path) -> None:
    (home / "models").mkdir()
    (home / "models" / "lumen.yaml").write_text(
        (Path(__file__).parents[2] / "config" / "models" / "zai.yaml")
        .read_text()
        .replace("provider: zai", "provider: lumen")
    )
    (home / "own.yaml").write_text("version: 1\n")
    assert {each.partition("/")[0] for each in names(easel, "--config", "own.yaml") - set(MODELS)} == {"lumen"}
    page = easel("models", "--config", "own.yaml", "--provider", "lumen", "--markdown").out
    assert "\n## lumen\n" in page


# The page


def test_the_page_has_a_section_for_each_provider_and_a_row_for_each_model(easel: Easel) -> None:
    page = easel("models", "--markdown").out
    sections = {each.partition("\n")[0]: each for each in page.split("\n## ")[1:]}
    assert sections.keys() == {each.provider for each in MODELS.values()}
    for each in MODELS.values():
        assert f"\n| `{each.id}` |" in sections[each.provider]
    assert "the key in `FAL_KEY`, as `authorization: Key …`, at `https://queue.fal.run`" in sections["fal"]
    assert "exchanged for a token" in sections["firefly"]
    assert "or signing each call" in sections["bedrock"]


# The comparison

GPT_IMAGE_2 = {"litellm_provider": "openai", "mode": "image_generation", "source": "https://lumen.example/prices"}


def litellm(place: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    """A package of that name which must not be run, with this for a price map."""
    package = place / "site" / "litellm"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('litellm was imported')\n")
    (package / "model_prices_and_context_window_backup.json").write_text(content)
    monkeypatch.delitem(sys.modules, "litellm", raising=False)
    monkeypatch.syspath_prepend(package.parent)


def compared(easel: Easel, place: Path, monkeypatch: pytest.MonkeyPatch, entries: dict[str, Any]) -> Any:
    litellm(place, monkeypatch, json.dumps({"sample_spec": {"mode": "chat"}, **entries}))
    ended = easel("models", "diff", "--litellm", "--json")
    assert ended.code == 0, ended.err
    assert "litellm" not in sys.modules
    return ended.json


def test_what_agrees_is_counted_and_what_contradicts_is_told_with_both_sources(
    easel: Easel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {**GPT_IMAGE_2, "input_cost_per_token": 5e-06, "output_cost_per_image_token": 4e-05}
    found = compared(
        easel, tmp_path, monkeypatch, {"gpt-image-2": entry, "gpt-image-2-2026-04-21": entry, "dall-e-9": entry}
    )
    assert (found["models"], found["compared"]) == (1, 2)
    (wrong,) = found["contradictions"]
    assert (wrong["model"], wrong["what"]) == ("openai/gpt-image-2", "a million tokens of image output")
    assert wrong["here"]["value"] == "$30"
    assert wrong["here"]["source"].startswith("https://")
    assert wrong["here"]["as_of"]
    assert (wrong["there"]["value"], wrong["there"]["source"]) == ("$40", "https://lumen.example/prices")
    told = easel("models", "diff", "--litellm")
    assert "openai/gpt-image-2  a million tokens of image output" in told.out
    assert "litellm $40 · https://lumen.example/prices" in told.out
    assert told.out.splitlines()[-1].endswith("1 contradict")


@pytest.mark.parametrize(
    ("name", "says", "contradictions"),
    [
        ("gpt-image-1.5", {"deprecation_date": "2026-12-01"}, []),
        ("gpt-image-1.5", {"deprecation_date": "2027-01-01"}, [("shutdown", "2026-12-01", "2027-01-01")]),
        ("gpt-image-2", {"deprecation_date": "2027-01-01"}, [("shutdown", "none is announced", "2027-01-01")]),
        ("medium/1024-x-1024/gpt-image-1.5", {"input_cost_per_image": 0.034}, []),  # 0.0338, to their digits
        (
            "medium/1024-x-1024/gpt-image-1.5",
            {"input_cost_per_image": 0.05},
            [("a picture, medium, 1024x1024", "$0.033822", "$0.05")],
        ),
        ("gpt-image-1.5", {"output_cost_per_image": 0.1}, []),  # of some quality
        ("standard/1024-x-1024/gpt-image-1.5", {"input_cost_per_image": 9}, []),  # a quality that it does not have
        ("bfl/flux-2-pro", {"output_cost_per_image": 9}, []),  # not OpenAI's
    ],
)
def test_two_lists_agree_as_far_as_they_speak_of_the_same(
    easel: Easel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    says: dict[str, object],
    contradictions: list[tuple[str, str, str]],
) -> None:
    found = compared(easel, tmp_path, monkeypatch, {name: {**GPT_IMAGE_2, **says}})
    assert [(e["what"], e["here"]["value"], e["there"]["value"]) for e in found["contradictions"]] == contradictions


def test_the_map_of_the_installed_litellm_is_read_without_running_it(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "litellm", raising=False)
    found = easel("models", "diff", "--litellm", "--json").json
    assert "litellm" not in sys.modules
    assert found["models"] > 50
    for each in found["contradictions"]:
        assert each["model"] in MODELS
        assert each["here"]["source"]
        assert each["here"]["value"] != each["there"]["value"]


def test_without_litellm_it_is_said_how_to_get_it(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)
    ended = easel("models", "diff", "--litellm")
    assert ended.code == 2
    assert "none is: pip install 'easel-images[litellm]'" in " ".join(ended.err.split())


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_map_that_cannot_be_read_is_named(
    easel: Easel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    litellm(tmp_path, monkeypatch, content)
    ended = easel("models", "diff", "--litellm")
    assert ended.code == 2
    assert "found no price map: " in ended.err


def test_whose_list_it_is_has_to_be_said(easel: Easel) -> None:
    ended = easel("models", "diff")
    assert ended.code == 2
    assert "--litellm is missing" in ended.err
