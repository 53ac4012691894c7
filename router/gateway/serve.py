"""Serving: the gateway on a port, from the first check to the last answer.

It does not start without a key, unless `insecure_local` says so and the address is this machine's own. SIGTERM and
SIGINT drain it: it stops accepting, finishes what is under way, and ends at the latest after `drain_seconds`; a second
one ends it at once. SIGHUP, an admin or a changed file reload the configuration.

Several workers are processes that share the listening socket. Each has its own connections, cooldowns and admin port
(the one given, the next one, …); their ledger is the same file, and a scrape of one's metrics is of all.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Collection, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from typing_extensions import override

from ...providers.base.clock import Clock
from ...providers.base.errors import ConfigError, EaselError, Problem
from .. import catalog
from ..ledger import Ledger, open_ledger
from ..router import Router
from ..settings import environment
from ..telemetry import FactsObserver, Metrics, Observer, Several, count_no_more, exported_spans, spans_asked_for
from . import access
from .access import Access
from .app import Application, Gateway, create
from .assets import Assets
from .body import Receive, Scope, Send
from .connection import connections
from .errors import StoreFailed
from .hosts import is_loopback
from .keys import Keys
from .log import Log, open_log, take_over
from .reload import Marks, Reloads, marks_of

if TYPE_CHECKING:
    from .standing import Standing

DRAIN_SECONDS = 120.0
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept: longer than most proxies in front keep theirs."""
BACKLOG = 2048
SAVE_USES_SECONDS = 60.0
SWEEP_SECONDS = 60.0
"""How long a picture or a file that is over may still be there; nobody gets it any more."""
RESTART_SECONDS = 1.0
"""Before a worker that died is replaced."""
MEND = 2
"""The exit code for what the operator has to mend."""
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `easel serve` was told."""

    host: str = "127.0.0.1"
    port: int = 8776
    """0 takes a free one."""
    admin_host: str = "127.0.0.1"
    admin_port: int | None = None
    """None: no admin routes."""
    config: Path | None = None
    ledger: str | Path | None = None
    """A file, or an address of Postgres; None: in memory."""
    keys: Path
    assets: Path | None = None
    """The folder for pictures with an address and for callers' files; None: in memory, and with several workers in a
    folder that ends with them."""
    public_url: str | None = None
    """Where callers reach this gateway, for the addresses of pictures; None: where their requests arrive."""
    insecure_local: bool = False
    workers: int = 1
    drain_seconds: float = DRAIN_SECONDS
    simulator_url: str | None = None
    otel: bool = False
    """Export traces, also when no variable of OpenTelemetry's asks for it."""
    greet: Callable[[str, str | None], None] | None = field(default=None, repr=False)
    """Called with the addresses, the admin's too where there is one, once requests are answered."""


def serve(options: Options) -> int:
    """Serve until a signal ends it. Returns the exit code. Raises ConfigError or OSError when it cannot begin."""
    _check(options)
    keep_freed_memory()
    with _listening(options.host, options.port) as listener:
        if options.workers > 1:
            return _supervise(options, listener)
        _work(options, listener, 0)
    return 0


def _check(options: Options) -> None:
    """Raises ConfigError."""
    if not options.insecure_local:
        if not Keys(options.keys).any_good():
            message = (
                "holds no key that is in use: make one with `easel keys create NAME`, or, for this machine alone, "
                "start with --insecure-local"
            )
            raise ConfigError([Problem(str(options.keys), message)])
    elif not is_loopback(options.host):
        message = f"--insecure-local serves this machine only, and {options.host} is not its own address: use 127.0.0.1"
        raise ConfigError([Problem("--host", message)])


@contextmanager
def _listening(host: str, port: int) -> Generator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BACKLOG) as listener:
        yield listener


def address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


# One process


def _work(options: Options, listener: socket.socket, number: int) -> None:
    clock = Clock()
    assets = Assets.open(options.assets, clock)
    log = open_log(sys.stderr)
    take_over(log)
    metrics = Metrics(wall_seconds=lambda: clock.now().timestamp())
    observers: list[Observer] = [FactsObserver(), metrics]
    spans, flush = None, None
    if options.otel or spans_asked_for(environment()):
        spans, flush = exported_spans(environment())
        observers.append(spans)
    ledger = open_ledger(options.ledger)
    marks: Marks = marks_of(options.config) if options.config is not None else frozenset()
    keys = None if options.insecure_local else Keys(options.keys, clock=clock)
    gateway = create(
        _factory(options, ledger, clock, Several(observers)),
        keys=keys,
        assets=assets,
        public_url=options.public_url,
        clock=clock,
    )
    gateway.observers.append(access.note)
    gateway.standing.metrics = metrics
    front = Access(
        gateway,
        standing=gateway.standing,
        metrics=metrics,
        log=log,
        clock=clock,
        loopback_only=options.insecure_local,
        continuing=spans.continuing if spans is not None else None,
    )
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_Process(options, gateway, front, keys, log, clock, number, marks).run(listener))
    finally:
        if flush is not None:
            flush()


def _factory(options: Options, ledger: Ledger, clock: Clock, observer: Observer) -> Callable[[], Router]:
    """Makes the Router, now and at each reload: only a configuration that passes its own tests gets out of here.

    Called where no event loop runs: at the start, and in a worker thread.
    """

    def make() -> Router:
        catalog.load_catalog.cache_clear()
        router = Router(
            options.config, ledger=ledger, clock=clock, simulator_url=options.simulator_url, observer=observer
        )
        asyncio.run(tried(router))
        return router

    async def tried(router: Router) -> None:
        problems = (await router.run_route_tests()).problems
        if problems:
            await router.close(keep_ledger=True)
            raise ConfigError(list(problems))

    return make


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one: it is not for Windows."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


class _Server(uvicorn.Server):
    """uvicorn, with the signals left to us."""

    def __init__(
        self, application: Any, *, drain_seconds: float, write_seconds: float, started: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                interface="asgi3",
                http=connections(write_seconds),
                loop="none",
                lifespan="off",  # it would close the gateway before the last requests have ended
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=max(1, round(drain_seconds)),
            )
        )
        self._on_start = started

    @contextmanager
    @override
    def capture_signals(self) -> Generator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._on_start()


@dataclass(slots=True)
class _Process:
    """One process that serves."""

    options: Options
    gateway: Gateway
    front: Application
    keys: Keys | None
    log: Log
    clock: Clock
    number: int
    """0 for the first worker, or the only one."""
    marks: Marks
    """Of the configuration's files, from before they were read."""
    admin: Application | None = None
    tasks: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])

    @property
    def standing(self) -> Standing:
        return self.gateway.standing

    async def run(self, listener: socket.socket) -> None:
        reloads = Reloads(self.gateway, self.standing, self.log, self.clock)
        self.standing.reload = self._reload_all(reloads)
        async with self._admin() as admin_address:
            server = self._server(listener, admin_address)
            self._obey(server, reloads)
            if self.options.config is not None:
                self._begin(reloads.watch(self.options.config, self.marks))
            if self.keys is not None:
                self._begin(self._save_uses(self.keys))
            if self.gateway.assets is not None:
                self._begin(self._sweep(self.gateway.assets))
            try:
                await server.serve(sockets=[listener])
            finally:
                # Those that are cut off write down what became of them, and need the ledger for it.
                await _cancelled({*self.tasks, *server.server_state.tasks})
                await self.gateway.close()
                if self.keys is not None:
                    self.keys.save_uses()
        self.log.info("ended")

    def _server(self, listener: socket.socket, admin_address: str | None) -> _Server:
        def started() -> None:
            address = address_of(listener)
            rules_hash = self.gateway.router.rules_hash
            self.log.info("serving", address=address, admin=admin_address, rules_hash=rules_hash, pid=os.getpid())
            self._begin(asyncio.to_thread(lambda: self.gateway.control))  # before somebody waits for it
            settle_garbage()
            if self.options.greet is not None and self.number == 0:
                self.options.greet(address, admin_address)

        return _Server(
            self.front,
            drain_seconds=self.options.drain_seconds,
            write_seconds=self.gateway.limits.write_seconds,
            started=started,
        )

    def _obey(self, server: _Server, reloads: Reloads) -> None:
        loop = asyncio.get_running_loop()

        def drain(name: str) -> None:
            if self.standing.draining:
                self.log.warning("ending at once", why=name)
                server.force_exit = True
            else:
                self.log.info("draining", why=name, most_seconds=self.options.drain_seconds)
            self.standing.draining = server.should_exit = True

        loop.add_signal_handler(signal.SIGTERM, drain, "SIGTERM")
        if self.options.workers == 1:  # else the supervisor gets it as well, and tells everybody
            loop.add_signal_handler(signal.SIGINT, drain, "SIGINT")
        loop.add_signal_handler(signal.SIGHUP, lambda: self._begin(reloads.reload("SIGHUP")))

    def _reload_all(self, reloads: Reloads) -> Callable[[], Any]:
        """What an admin asks for: here first, and when it is good also by the other workers."""

        async def reload() -> tuple[Problem, ...]:
            problems = await reloads.reload("asked for by an admin")
            if not problems and self.options.workers > 1:
                os.kill(os.getppid(), signal.SIGHUP)
            return problems

        return reload

    @asynccontextmanager
    async def _admin(self) -> AsyncGenerator[str | None]:
        """The admin routes on their own port, for the block; they answer until everything else has ended."""
        port = self.options.admin_port
        if port is None:
            yield None
            return
        own_port = port + self.number if port else 0
        with _listening(self.options.admin_host, own_port) as listener:
            listens = asyncio.Event()
            write_seconds = self.gateway.limits.write_seconds
            server = _Server(self._admin_routes, drain_seconds=1, write_seconds=write_seconds, started=listens.set)
            serving = asyncio.ensure_future(server.serve(sockets=[listener]))
            await listens.wait()
            try:
                yield address_of(listener)
            finally:
                server.should_exit = True
                await serving

    async def _admin_routes(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Made when they are first asked for: they bring a web framework."""
        if self.admin is None:
            from . import control

            self.admin = control.admin(self.gateway, self.keys)
        await self.admin(scope, receive, send)

    async def _save_uses(self, keys: Keys) -> None:
        while True:
            await asyncio.sleep(SAVE_USES_SECONDS)
            await asyncio.to_thread(keys.save_uses)

    async def _sweep(self, assets: Assets) -> None:
        while True:
            with suppress(StoreFailed):  # which is in the log
                await assets.sweep()
            await asyncio.sleep(SWEEP_SECONDS)

    def _begin(self, work: Any) -> None:
        """In the background, until it ends by itself or everything does."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("something in the background failed", error=type(error).__name__)


async def _cancelled(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel them, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def settle_garbage() -> None:
    """What is there now stays: it need not be looked through again and again. And look more seldom at what comes: a
    small request makes a thousand objects, and nearly all of them go by themselves.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def keep_freed_memory() -> None:
    """Tell glibc to keep what is freed: pictures come and go, and to map their memory anew costs as much as a copy.
    In one place for all threads, or each would keep its own.

    Elsewhere there is nothing to tell.
    """
    trim_threshold, mmap_threshold, arenas = -1, -3, -8  # M_TRIM_THRESHOLD and so on, of malloc.h
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(trim_threshold, 128 * 1024 * 1024)
        mallopt(mmap_threshold, 32 * 1024 * 1024)  # the most that it takes
        mallopt(arenas, 1)


# Several processes


def _supervise(options: Options, listener: socket.socket) -> int:
    """Start workers, hand signals on to them, and replace those that die, until they are told to end."""
    log = open_log(sys.stderr)
    own = Path(tempfile.mkdtemp(prefix="easel-"))
    counts = own / "metrics"
    counts.mkdir()
    os.environ[MULTIPROCESS] = str(counts)
    try:
        return _Supervisor(replace(options, assets=options.assets or own / "assets"), listener, log).run()
    finally:
        del os.environ[MULTIPROCESS]
        shutil.rmtree(own, ignore_errors=True)


class _Supervisor:
    def __init__(self, options: Options, listener: socket.socket, log: Log) -> None:
        self._options = options
        self._listener = listener
        self._log = log
        self._ending = False
        self._workers: dict[int, SpawnProcess] = {}
        self._replaced: set[int] = set()
        """Workers that have been replaced: what they cannot begin with now, the others have in force."""

    def run(self) -> int:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._end)
        signal.signal(signal.SIGHUP, self._hand_on)
        for number in range(self._options.workers):
            self._start(number)
        code = 0
        while self._workers:
            wait([each.sentinel for each in self._workers.values()], timeout=RESTART_SECONDS)
            for number, worker in list(self._workers.items()):
                if worker.exitcode is None:
                    continue
                code = self._gone(number, worker) or code
        return code

    def _start(self, number: int) -> None:
        worker = multiprocessing.get_context("spawn").Process(
            target=_worker, args=(self._options, self._listener, number), name=f"easel-{number}"
        )
        worker.start()
        self._workers[number] = worker

    def _gone(self, number: int, worker: SpawnProcess) -> int:
        """A worker has ended. Returns the exit code that this means for the whole."""
        del self._workers[number]
        if worker.pid is not None:
            count_no_more(worker.pid)
        if self._ending:
            return 0 if not worker.exitcode or worker.exitcode < 0 else worker.exitcode
        if worker.exitcode == MEND and number not in self._replaced:
            self._end(signal.SIGTERM, None)
            return MEND
        self._log.error("a worker ended, and is replaced", worker=number, code=worker.exitcode)
        self._replaced.add(number)
        wait([each.sentinel for each in self._workers.values()], timeout=RESTART_SECONDS)
        if not self._ending:
            self._start(number)
        return 0

    def _end(self, number: int, frame: object) -> None:
        self._ending = True
        self._tell(signal.SIGTERM)

    def _hand_on(self, number: int, frame: object) -> None:
        self._tell(signal.SIGHUP)

    def _tell(self, what: signal.Signals) -> None:
        for worker in self._workers.values():
            if worker.pid is not None and worker.is_alive():
                os.kill(worker.pid, what)


def _worker(options: Options, listener: socket.socket, number: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    try:
        _work(options, listener, number)
    except (EaselError, OSError) as error:
        open_log(sys.stderr).error("cannot begin", worker=number, error=str(error))
        raise SystemExit(MEND) from None
