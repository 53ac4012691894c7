"""What every room of the tests may use."""

import pytest

from .postgres import Server, Shared


def _shared(config: pytest.Config, factory: pytest.TempPathFactory) -> Shared:
    """Workers of xdist have their folders below that of the process that started them."""
    base = factory.getbasetemp()
    return Shared(base.parent if hasattr(config, "workerinput") else base)


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """One for the whole run; it is stopped when the run ends."""
    return _shared(pytestconfig, tmp_path_factory).server()


@pytest.fixture
def postgres_address(postgres: Server) -> str:
    """A place in it that is empty."""
    return postgres.new_place()


def pytest_sessionfinish(session: pytest.Session) -> None:
    factory: pytest.TempPathFactory | None = getattr(session.config, "_tmp_path_factory", None)
    if factory is not None and not hasattr(session.config, "workerinput") and not session.config.option.collectonly:
        _shared(session.config, factory).stop()
