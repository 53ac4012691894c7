"""The commands of `easel`, in the order in which its help lists them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from .door import DONE, command
from .options import CONFIG, FAULT, JSON, KEYS, LEDGER, ON, PROVIDER, SINCE, UNTIL, Setting, Strings, Wish, day

app = typer.Typer(
    name="easel",
    no_args_is_help=True,
    # A traceback that shows local variables could show a key.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
catalogue = typer.Typer(invoke_without_command=True)
records = typer.Typer(invoke_without_command=True)
keys = typer.Typer(help="Say who may use the gateway: create, list, revoke and rotate keys.", no_args_is_help=True)
EPILOG = "Exit codes: 0 done, 2 to be mended, 3 refused, 4 no model can, 5 every attempt failed, 6 over budget."


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"easel {version('easel-images')}")
        raise typer.Exit


@app.callback(epilog=EPILOG)
def easel(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Route image requests to the models that can serve them.

    Try it without any key: `easel demo`, or any request with --simulate.
    """


@command(app.command())
def generate(wish: Wish, setting: Setting) -> int:
    """Paint a picture from words."""
    from .paint import paint

    return paint(wish, setting)


@command(app.command())
def edit(wish: Wish, setting: Setting) -> int:
    """Change a picture, the marked part of it, or compose several."""
    from .paint import paint

    return paint(wish, setting, operation="edit")


@command(app.command())
def explain(wish: Wish, setting: Setting) -> int:
    """Show which model would serve, why, and for how much. Nothing is sent."""
    from .paint import explain

    return explain(wish, setting)


@command(app.command())
def check(config: Annotated[Path | None, CONFIG] = None, on: Annotated[date | None, ON] = None) -> int:
    """Check a configuration: every key, every route, every route test."""
    from .look import check

    return check(config, on)


@command(app.command())
def doctor(
    only: Annotated[
        Strings,
        typer.Option("--only", metavar="NAME", help="Only this row of deployments, such as openai. Repeatable."),
    ] = None,
    config: Annotated[Path | None, CONFIG] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Ask simulated vendors, started here.")] = False,
    on: Annotated[date | None, ON] = None,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Ask every vendor whose key is set whether it takes the key and has the models. Costs nothing, paints nothing."""
    from .doctor import doctor

    return doctor(config, only=only or (), simulate=simulate, on=on, as_json=as_json)


@command(app.command())
def probe(
    model: Annotated[str, typer.Argument(help="A deployment, such as openai/gpt-image-2, or a model.")],
    max_cost: Annotated[
        str, typer.Option("--max-cost", metavar="USD", help="The most that the picture may cost.")
    ] = "0.05",
    yes: Annotated[bool, typer.Option("--yes", help="Pay without being asked.")] = False,
    config: Annotated[Path | None, CONFIG] = None,
    ledger: Annotated[str | None, LEDGER] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Try a simulated vendor; nothing is noted.")] = False,
    on: Annotated[date | None, ON] = None,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Paint one deployment's cheapest picture, its price shown first, and note what came and what was billed."""
    from .doctor import probe

    return probe(
        model,
        max_cost=max_cost,
        yes=yes,
        config=config,
        ledger=ledger,
        simulate=simulate,
        on=on,
        as_json=as_json,
    )


@command(catalogue.callback(invoke_without_command=True))
def models(
    context: typer.Context,
    provider: Annotated[str | None, PROVIDER] = None,
    can: Annotated[
        Strings,
        typer.Option(
            "--can",
            metavar="WORD",
            help="Only those that can: an operation (generate, edit, …), transparent_background, mask, references, "
            "several, streaming, seed, a format (svg, …), or a need (typography, …). Repeatable: all of them.",
        ),
    ] = None,
    operation: Annotated[
        str | None, typer.Option("--operation", metavar="WORD", help="Only those that do it, such as edit.")
    ] = None,
    max_price: Annotated[
        str | None,
        typer.Option("--max-price", metavar="USD", help="Only those whose 1024x1024 picture costs at most this."),
    ] = None,
    alive_on: Annotated[
        date | None,
        typer.Option("--alive-on", metavar="DATE", parser=day, help="Only those that answer on it."),
    ] = None,
    config: Annotated[Path | None, CONFIG] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a page: for each provider its keys, models, oddities and sources.")
    ] = False,
) -> int:
    """List the catalogue: what each model can do, what it costs, and how long it lives."""
    if context.invoked_subcommand is not None:
        return DONE
    from .models import Wanted, models

    wanted = Wanted(provider, can or (), operation, max_price, alive_on)
    return models(config, wanted, as_json=as_json, as_markdown=as_markdown)


@command(catalogue.command("diff"))
def diff(
    litellm: Annotated[bool, typer.Option("--litellm", help="With the price map of the LiteLLM that is here.")] = False,
    provider: Annotated[str | None, PROVIDER] = None,
    config: Annotated[Path | None, CONFIG] = None,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Compare prices and ends with what others say, and list the contradictions with both sources."""
    from .models_diff import diff

    return diff(config, litellm=litellm, provider=provider, as_json=as_json)


app.add_typer(catalogue, name="models")


@command(records.callback(invoke_without_command=True))
def ledger(
    context: typer.Context,
    since: Annotated[date | None, SINCE] = None,
    outcome: Annotated[
        str | None,
        typer.Option("--outcome", metavar="WORD", help="Only done, failed, refused, cancelled or under_way."),
    ] = None,
    deployment: Annotated[
        str | None, typer.Option("--deployment", metavar="NAME", help="Only what it answered or was tried for.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="Only what it was tried for.")] = None,
    route: Annotated[str | None, typer.Option("--route", metavar="NAME", help="Only by this route.")] = None,
    key: Annotated[str | None, typer.Option("--key", metavar="NAME", help="Only by this key, or caller.")] = None,
    team: Annotated[str | None, typer.Option("--team", metavar="NAME", help="Only of this team.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest first.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on, and list each as it ends.")] = False,
    ledger: Annotated[str | None, LEDGER] = None,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """List what was asked, what became of it and what it cost; `show ID` tells one request's story."""
    if context.invoked_subcommand is not None:
        return DONE
    from .ledger import Asked, midnight, requests

    asked = Asked(
        caller=key,
        team=team,
        rule=route,
        model=model,
        deployment=deployment,
        outcome=outcome,
        since=midnight(since) if since is not None else None,
    )
    return requests(ledger, asked, limit=limit, as_json=as_json, follow=follow)


@command(records.command("show"))
def show(
    request_id: Annotated[str, typer.Argument(help="As it is listed.")],
    ledger: Annotated[str | None, LEDGER] = None,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Show one request: every attempt in its order."""
    from .ledger import story

    return story(ledger, request_id, as_json=as_json)


@command(records.command("export"))
def export(
    file: Annotated[str, typer.Argument(help="To be written; ends in .csv or .parquet. - prints CSV.")],
    since: Annotated[date | None, SINCE] = None,
    until: Annotated[date | None, UNTIL] = None,
    force: Annotated[bool, typer.Option("--force", help="Also over a file that is there.")] = False,
    ledger: Annotated[str | None, LEDGER] = None,
) -> int:
    """Write every attempt, with its request beside it, to a CSV or Parquet file."""
    from .export import export

    return export(ledger, file, since=since, until=until, force=force)


@command(records.command("reconcile"))
def reconcile(
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest first.")] = 100,
    ledger: Annotated[str | None, LEDGER] = None,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """List the attempts that may have been billed and were never heard of again."""
    from .ledger import reconcile

    return reconcile(ledger, limit=limit, as_json=as_json)


@command(records.command("settle"))
def settle(
    attempt_id: Annotated[str, typer.Argument(help="As `reconcile` lists it.")],
    billed: Annotated[str, typer.Option("--billed", metavar="yes|no", help="What the vendor's own log says.")],
    cost: Annotated[str | None, typer.Option("--cost", metavar="USD", help="What it was billed at.")] = None,
    ledger: Annotated[str | None, LEDGER] = None,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Write down what became of an attempt whose outcome was unknown."""
    from .ledger import settle

    return settle(ledger, attempt_id, billed=billed, cost=cost, as_json=as_json)


@command(records.command("delete"))
def delete(
    user: Annotated[
        str | None, typer.Option("--user", metavar="ID", help="The end user: the request's `user`.")
    ] = None,
    team: Annotated[str | None, typer.Option("--team", metavar="NAME", help="A whole team.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Without being asked.")] = False,
    ledger: Annotated[str | None, LEDGER] = None,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Delete all that an end user or a team asked for, for good."""
    from .ledger import delete

    return delete(ledger, user=user, team=team, yes=yes, as_json=as_json)


app.add_typer(records, name="ledger")


@command(app.command("report"))
def report(
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="WORD",
            help="model, deployment, route, team, project, key, day, operation or outcome.",
        ),
    ] = "model",
    since: Annotated[
        date | None, typer.Option("--since", metavar="DATE", parser=day, help="From this day (UTC); else of 30 days.")
    ] = None,
    until: Annotated[date | None, UNTIL] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with charts, for people.")
    ] = None,
    ledger: Annotated[str | None, LEDGER] = None,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Add up requests, pictures, cost, latency, fallbacks, refusals and retries."""
    from .tally import tally

    return tally(ledger, by=by, since=since, until=until, as_json=as_json, html=html)


@command(app.command())
def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen at; 0.0.0.0 for every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8776,
    admin_port: Annotated[
        int | None,
        typer.Option(
            "--admin-port", min=0, max=65535, help="Serve the admin routes too, on this port. 0 takes a free one."
        ),
    ] = None,
    admin_host: Annotated[str, typer.Option("--admin-host", help="The admin routes' address.")] = "127.0.0.1",
    config: Annotated[Path | None, CONFIG] = None,
    ledger: Annotated[str | None, LEDGER] = None,
    keys: Annotated[Path | None, KEYS] = None,
    assets: Annotated[
        Path | None,
        typer.Option("--assets", metavar="DIR", help="The folder for pictures with an address and files of callers."),
    ] = None,
    public_url: Annotated[
        str | None, typer.Option("--public-url", metavar="URL", help="Where callers reach it, for pictures' addresses.")
    ] = None,
    insecure_local: Annotated[
        bool, typer.Option("--insecure-local", help="Ask nobody for a key; for this machine's own address only.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Processes that share the port.")] = 1,
    drain_seconds: Annotated[
        float, typer.Option("--drain-seconds", min=0, help="How long what is under way may take at the end.")
    ] = 120.0,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="In front of simulated vendors; needs no vendor's key.")
    ] = False,
    fault: Annotated[Strings, FAULT] = None,
    latency: Annotated[
        float, typer.Option("--latency", metavar="SECONDS", min=0, help="Before every answer of a simulated vendor.")
    ] = 0.0,
    otel: Annotated[
        bool, typer.Option("--otel", help="Export traces, as OpenTelemetry's own variables say; these alone do it too.")
    ] = False,
) -> int:
    """Serve OpenAI's Images API on a port, for any OpenAI client."""
    from .serve import serve

    return serve(
        host,
        port,
        admin_host=admin_host,
        admin_port=admin_port,
        config=config,
        ledger=ledger,
        keys=keys,
        assets=assets,
        public_url=public_url,
        insecure_local=insecure_local,
        workers=workers,
        drain_seconds=drain_seconds,
        simulate=simulate,
        fault=fault or (),
        latency_seconds=latency,
        otel=otel,
    )


@command(keys.command("create"))
def create_key(
    name: Annotated[str, typer.Argument(help="Whose key it is: in the ledger, in logs and for rules.")],
    admin: Annotated[bool, typer.Option("--admin", help="It may use the admin routes too.")] = False,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="90d, 12h, 30m, or a date such as 2027-01-31.")
    ] = None,
    keys: Annotated[Path | None, KEYS] = None,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Make a key. It is shown once: only its hash is kept."""
    from .keys import create

    return create(keys, name, admin=admin, expires=expires, as_json=as_json)


@command(keys.command("list"))
def list_keys(keys: Annotated[Path | None, KEYS] = None, as_json: Annotated[bool, JSON] = False) -> int:
    """List all keys, those that are over too."""
    from .keys import listed

    return listed(keys, as_json=as_json)


@command(keys.command("revoke"))
def revoke_key(
    name: Annotated[str, typer.Argument(help="The key's name, or its id.")],
    keys: Annotated[Path | None, KEYS] = None,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """End a key, for good."""
    from .keys import revoke

    return revoke(keys, name, as_json=as_json)


@command(keys.command("rotate"))
def rotate_key(
    name: Annotated[str, typer.Argument(help="The key's name.")],
    grace: Annotated[
        str, typer.Option("--grace", metavar="TIME", help="How long the old key is still good, such as 7d or 12h.")
    ] = "0m",
    keys: Annotated[Path | None, KEYS] = None,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Make a new key in the place of an old one."""
    from .keys import rotate

    return rotate(keys, name, grace=grace, as_json=as_json)


app.add_typer(keys, name="keys")


@command(app.command())
def simulate(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8777,
    on: Annotated[date | None, ON] = None,
    fault: Annotated[Strings, FAULT] = None,
    latency: Annotated[float, typer.Option("--latency", metavar="SECONDS", min=0, help="Before every answer.")] = 0.0,
) -> int:
    """Serve simulated vendors on a port of this machine, until Ctrl-C."""
    from .simulate import simulate

    return simulate(port, on=on, fault=fault or (), latency_seconds=latency)


@command(app.command())
def demo(
    out: Annotated[Path, typer.Option("-o", "--output", help="The folder for pictures and page.")] = Path(
        "demo-output"
    ),
    live: Annotated[
        bool, typer.Option("--live", help="Against the real vendors whose keys are set; asks first.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --live: pay without being asked.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also into a folder with other files in it.")] = False,
) -> int:
    """See it work: four requests, the decisions, the pictures. No key needed."""
    from .demo import demo

    return demo(out, live=live, yes=yes, force=force)
