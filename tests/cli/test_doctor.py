"""easel doctor and easel probe: what they say, what they spend, what they write down."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from easel.router.account import read
from easel.simulator.server import Simulator, running

from .conftest import Easel

ON = "2026-11-23"
CONFIG = """
version: 1
deployments:
  - {{provider: openai, base_url: '{0}/openai/v1', models: [gpt-image-2], key: {{env: KEY}}}}
  - {{provider: bfl, base_url: '{0}/bfl', models: [flux-2-pro], key: {{env: OTHER_KEY}}}}
routes: [{{name: all, prefer: {{by: [price]}}}}]
"""


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with running() as twins:
        yield twins


Config = Callable[[str], str]


@pytest.fixture
def config(simulator: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A configuration whose vendor is the simulator, with a key."""

    def write(key: str) -> str:
        folder = home / "easel"
        folder.mkdir(exist_ok=True)
        (folder / "easel.yaml").write_text(CONFIG.format(simulator.base_url))
        monkeypatch.setenv("KEY", key)
        monkeypatch.delenv("OTHER_KEY", raising=False)
        return str(folder)

    return write


def orders(simulator: Simulator) -> int:
    return sum(each.method == "POST" for each in simulator.received)


# doctor


def test_a_good_key(easel: Easel, config: Config, simulator: Simulator) -> None:
    ended = easel("doctor", "--config", config("sim-key"))
    assert ended.code == 0, ended.out
    assert re.search(r"ok +openai env:KEY +the key is good", ended.out)
    assert "environment variable OTHER_KEY is not set" in ended.out
    assert orders(simulator) == 0


def test_a_bad_key(easel: Easel, config: Config) -> None:
    ended = easel("doctor", "--config", config("wrong-0123456789"))
    assert ended.code == 2
    assert re.search(r"problem +openai env:KEY", ended.out)
    assert "wrong-0123456789" not in ended.out + ended.err


def test_as_json(easel: Easel, config: Config) -> None:
    ended = easel("doctor", "--config", config("sim-key"), "--json")
    by_name = {each["name"]: each for each in ended.json["findings"]}
    assert by_name["openai"]["status"] == "ok"
    assert by_name["openai"]["deployments"] == ["openai/gpt-image-2"]
    assert by_name["bfl"]["status"] == "unset"
    assert ended.json["counts"]["ok"] >= 1


def test_no_key_at_all_is_to_be_mended(easel: Easel, config: Config) -> None:
    ended = easel("doctor", "--config", config(""))
    assert ended.code == 2
    assert "2 unset" in ended.out


def test_one_row_only(easel: Easel, config: Config) -> None:
    folder = config("sim-key")
    ended = easel("doctor", "--config", folder, "--only", "openai", "--json")
    assert {each["name"].partition("/")[0] for each in ended.json["findings"]} == {"openai"}
    strange = easel("doctor", "--config", folder, "--only", "opnai")
    assert strange.code == 2
    assert "is no row here" in strange.err


def test_all_simulated_vendors_take_their_key(easel: Easel) -> None:
    ended = easel("doctor", "--simulate", "--on", ON, "--json")
    assert ended.code == 0
    assert "problem" not in ended.json["counts"]
    assert ended.json["counts"]["ok"] >= 8


# probe


def test_a_picture_is_paid_for_and_noted(easel: Easel, config: Config, simulator: Simulator) -> None:
    folder = config("sim-key")
    ended = easel("probe", "openai/gpt-image-2", "--config", folder, "--yes")
    assert ended.code == 0, ended.err
    price, works, noted = ended.out.splitlines()[:3]
    assert price.startswith("openai/gpt-image-2 generate 816x816 low: $0.00")
    assert works.startswith("it works 816x816 png, $0.00")
    path = Path(folder) / "account" / "probes.yaml"
    assert noted == f"noted in {path}"
    seen = read(path)["openai/gpt-image-2"]
    assert (seen.works, seen.sizes, seen.media_type) == (True, {"816x816": "816x816"}, "image/png")
    assert seen.cost_basis == "usage"
    (cost,) = seen.costs_usd.values()
    assert cost is not None
    assert 0 < cost < 0.01
    assert orders(simulator) == 1
    assert "sim-key" not in path.read_text()

    told = easel("doctor", "--config", folder)
    assert "it painted on" in told.out
    assert f"generate 816x816 low cost ${cost:f}" in told.out
    assert easel("check", "--config", folder).code == 0  # what is noted is no configuration


def test_as_json_it_is_one_object(easel: Easel, config: Config) -> None:
    ended = easel("probe", "openai/gpt-image-2", "--config", config("sim-key"), "--yes", "--json")
    assert ended.json["deployment"] == "openai/gpt-image-2"
    assert ended.json["seen"]["works"] is True
    assert "$0.00" in ended.err


def test_nothing_is_sent_without_a_yes(easel: Easel, config: Config, simulator: Simulator) -> None:
    ended = easel("probe", "openai/gpt-image-2", "--config", config("sim-key"))
    assert ended.code == 2
    assert "--yes is needed" in ended.err
    assert "$0.00" in ended.out  # the price is shown all the same
    assert orders(simulator) == 0


def test_nothing_is_sent_above_the_ceiling(easel: Easel, config: Config, simulator: Simulator) -> None:
    ended = easel("probe", "openai/gpt-image-2", "--config", config("sim-key"), "--yes", "--max-cost", "0.001")
    assert ended.code == 6
    assert "may cost $0.0053; --max-cost is $0.001" in ended.err.replace("\n", " ")
    assert orders(simulator) == 0


@pytest.mark.parametrize("amount", ["much", "-1", "0", "nan", "inf"])
def test_a_ceiling_that_is_none(easel: Easel, config: Config, amount: str) -> None:
    ended = easel("probe", "openai/gpt-image-2", "--config", config("sim-key"), f"--max-cost={amount}")
    assert ended.code == 2
    assert "--max-cost" in ended.err


def test_an_organization_that_is_not_verified(easel: Easel, config: Config) -> None:
    """Its key lists the models, and may not use them: only a picture tells."""
    folder = config("sim-unverified")
    assert easel("doctor", "--config", folder).code == 0
    ended = easel("probe", "openai/gpt-image-2", "--config", folder, "--yes")
    assert ended.code == 5
    assert "must be verified" in ended.err.replace("\n", " ")
    seen = read(Path(folder) / "account" / "probes.yaml")["openai/gpt-image-2"]
    assert (seen.works, seen.outcome) == (False, "permission_denied")
    assert "it did not paint when it was tried" in easel("doctor", "--config", folder).out


def test_one_way_has_to_be_named(easel: Easel, config: Config) -> None:
    several = easel("probe", "gpt-image-2", "--simulate", "--on", ON, "--yes")
    assert several.code == 2
    assert "can be had in several ways" in several.err
    unknown = easel("probe", "openai/gpt-image-22", "--config", config("sim-key"))
    assert unknown.code == 2
    assert "is no deployment or model here" in unknown.err
    lacking = easel("probe", "bfl/flux-2-pro", "--config", config("sim-key"))
    assert lacking.code == 2
    assert "environment variable OTHER_KEY is not set" in lacking.err


def test_a_file_that_cannot_be_used_is_found_before_anything_is_paid_for(
    easel: Easel, config: Config, simulator: Simulator
) -> None:
    folder = config("sim-key")
    path = Path(folder) / "account" / "probes.yaml"
    path.parent.mkdir()
    path.write_text("version: 1\ndeployments: 7\n")
    ended = easel("probe", "openai/gpt-image-2", "--config", folder, "--yes")
    assert ended.code == 2
    assert f"{path}:2" in ended.err.replace("\n", "")
    assert orders(simulator) == 0


@pytest.mark.parametrize("name", ["bfl/flux-2-pro", "recraft/recraftv4", "stability/remove-background"])
def test_tools_and_other_vendors_can_be_tried(easel: Easel, name: str) -> None:
    ended = easel("probe", name, "--simulate", "--on", ON, "--yes", "--max-cost", "1", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["seen"]["works"] is True
    assert ended.json["file"] is None
