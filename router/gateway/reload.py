"""Reloading: a new configuration in the place of the old one, without a request noticing.

Asked for by SIGHUP, by an admin, or by a file that changed. The new Router is built and its route tests are run beside
the old one, which serves on; only a configuration that passes takes over. Requests under way end with the one that they
began with. A configuration that cannot be used leaves the last good one in force, and says so in the log, in `/readyz`
and in the metrics.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from watchfiles import awatch  # pyright: ignore[reportUnknownVariableType] (it names trio, which is not here)

from ...providers.base.clock import Clock
from ...providers.base.errors import ConfigError, Problem
from .app import Gateway
from .log import Log
from .standing import Standing

SUFFIXES = frozenset({".yaml", ".yml"})
MODELS = "models"
LOOK_SECONDS = 5.0
Marks = frozenset[tuple[Path, tuple[int, int, int] | None]]
"""Of files: what is another when the file is another."""


class Reloads:
    """Keeps one gateway's configuration current."""

    def __init__(self, gateway: Gateway, standing: Standing, log: Log, clock: Clock) -> None:
        self._gateway = gateway
        self._standing = standing
        self._log = log
        self._clock = clock
        self._turn = asyncio.Lock()
        self.took_over()

    def took_over(self) -> None:
        """A new Router is in force."""
        router, standing = self._gateway.router, self._standing
        standing.problems, standing.loaded_at = (), self._clock.now()
        if standing.metrics is not None:
            deployments = router.deployments
            standing.metrics.know(
                routes=(each.name for each in router.settings.routes),
                deployments=deployments.by_name,
                open_prefixes=(row.prefix for row, _ in deployments.open_rows),
            )
            standing.metrics.loaded()

    async def reload(self, why: str) -> tuple[Problem, ...]:
        """Returns what is wrong with the new configuration; empty when it is in force."""
        async with self._turn:
            try:
                await self._gateway.reload()
            except ConfigError as error:
                return self._kept(why, tuple(error.problems))
            except Exception as error:  # noqa: BLE001 (whatever a file does to us, the last good configuration serves on)
                return self._kept(why, (Problem("configuration", f"cannot be loaded: {type(error).__name__}"),))
            self.took_over()
            self._log.info("configuration loaded", why=why, rules_hash=self._gateway.router.rules_hash)
            return ()

    def _kept(self, why: str, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        self._standing.problems = problems
        if self._standing.metrics is not None:
            self._standing.metrics.not_loaded()
        self._log.error(
            "configuration not loaded, the last good one stays in force",
            why=why,
            problems=[str(each) for each in problems],
            rules_hash=self._gateway.router.rules_hash,
        )
        return problems

    async def watch(self, config: Path, marks: Marks) -> None:
        """Reload whenever a file of the configuration is another than by the marks, until cancelled.

        The system says when to look, and every `LOOK_SECONDS` somebody looks unasked: not every file system says it,
        and what changed before the watch began was not seen.
        """
        while True:
            folders = _folders(config)
            watching = awatch(
                *folders,
                recursive=False,
                watch_filter=None,
                debounce=200,
                rust_timeout=round(LOOK_SECONDS * 1000),
                yield_on_timeout=True,
            )
            async for _ in watching:
                found = marks_of(config)
                changed = sorted({path.name for path, _ in found ^ marks})
                marks = found
                if changed:
                    await self.reload(f"changed: {', '.join(changed)}")
                if _folders(config) != folders:
                    break


def marks_of(config: Path) -> Marks:
    """Of every file that a configuration is read from."""
    files = [path for path in config.iterdir() if path.suffix in SUFFIXES] if config.is_dir() else [config]
    models = _folders(config)[1:]
    files += [path for folder in models for path in folder.glob("*.yaml")]
    return frozenset((path, _mark(path)) for path in files)


def _mark(path: Path) -> tuple[int, int, int] | None:
    """None when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size)


def _folders(config: Path) -> list[Path]:
    folder = config if config.is_dir() else config.parent
    models = folder / MODELS
    return [folder, models] if models.is_dir() else [folder]
