"""Ideogram: what its recordings do not show."""

import pytest

from easel.providers.base.errors import ConfigError
from easel.providers.ideogram import Ideogram


def test_a_setting_that_means_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="quote 'sometimes' is none of never, first"):
        Ideogram(settings={"quote": "sometimes"})
