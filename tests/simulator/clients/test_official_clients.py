"""Which client drives which twin, and why the others do not.

The files beside this one do what the users of each client do, with nothing set but the base URL and the key.
"""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from easel.simulator.faults import TWINS

HOUSE = Path(__file__).parents[3]
DRIVEN = {
    "openai": "openai",
    "azure": "openai",
    "google": "google-genai",
    "bedrock": "boto3",
    "dashscope": "dashscope",
    "fal": "fal-client",
    "replicate": "replicate",
    "together": "together",
    "wavespeed": "wavespeed",
    "openrouter": "openrouter",
    # whose own client cannot be, or who tell to use this one
    "xai": "openai",
    "seedream": "openai",
    "recraft": "openai",
}
WITHOUT_A_CLIENT = {"bfl", "ideogram", "stability"}
"""Their vendors publish none for these APIs; test_plain_http calls them."""
NOT_DRIVEN = {
    "xai-sdk": "1.21 sends pictures' requests by gRPC only, and wants packaging below 26; xAI's REST API is driven by "
    "openai",
    "byteplus-python-sdk-v2": "3.0.63 is every service of BytePlus, 110 MB in 11,000 files; its images call, tried by "
    "hand, works at the Seedream twin, which is driven by openai as BytePlus' documents do it",
    "stability-sdk": "0.8.6 speaks the gRPC API that came before the REST one, and wants protobuf 5",
    "runware": "there is no Runware twin",
}


def dev_group() -> set[str]:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    named = [*project["dependency-groups"]["dev"], *(each for extra in extras for each in extra)]
    return {canonicalize_name(Requirement(each).name) for each in named}


def test_every_twin_is_driven_by_a_client_or_by_hand() -> None:
    assert set(DRIVEN) | WITHOUT_A_CLIENT == set(TWINS)
    assert not set(DRIVEN) & WITHOUT_A_CLIENT


@pytest.mark.parametrize("client", sorted(set(DRIVEN.values())))
def test_a_client_that_drives_is_locked_and_tested(client: str) -> None:
    assert client in dev_group()
    assert metadata.version(client)
    assert Path(__file__).with_name(f"test_{client.replace('-', '_')}.py").is_file()


@pytest.mark.parametrize("client", NOT_DRIVEN)
def test_a_client_that_cannot_drive(client: str) -> None:
    assert client not in dev_group(), "it is locked: now drive it"
    pytest.skip(NOT_DRIVEN[client])
