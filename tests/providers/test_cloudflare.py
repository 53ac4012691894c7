"""Cloudflare: what its recordings cannot show."""

import pytest

from easel.providers.base.errors import ConfigError
from easel.providers.cloudflare import Cloudflare


def test_a_deployment_names_its_account() -> None:
    with pytest.raises(ConfigError, match="account_id"):
        Cloudflare()
