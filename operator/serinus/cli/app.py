"""`serinus` and `kubectl serinus`: what an SRE types at 3 a.m., and `serinus run`, the operator itself.

Start-up stays fast: each command imports its own heavy dependencies, such as the cluster client or the operator.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from serinus.cli import levers, offline
from serinus.cli.cluster import Target
from serinus.cli.operator import LogFormat, run_operator
from serinus.cli.options import (
    AnyName,
    Context,
    Everywhere,
    Kubeconfig,
    Name,
    Namespace,
    Plot,
    SourceConfig,
    SourceName,
    Wait,
)
from serinus.cli.session import CommandWorld, begin, pull, told, world_of
from serinus.core.model.timestamps import to_rfc3339

if TYPE_CHECKING:
    from serinus.cli.watching import View

ANSWER_SECONDS = 5.0
T = TypeVar("T")

app = typer.Typer(
    help="Inspect and control model rollouts.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command()
def status(
    ctx: typer.Context,
    name: AnyName = None,
    *,
    everywhere: Everywhere = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep watching until interrupted.")] = False,
) -> None:
    """Show stable, canary, weight, verdict and what to type next; without a name, list all ModelDeployments."""
    if everywhere and (name is not None or namespace is not None):
        raise typer.BadParameter("--all-namespaces lists everything: leave out the name and --namespace")
    from serinus.cli import watching

    with told():
        world, target = world_of(ctx), Target(namespace, context, kubeconfig)
        if name is None:
            look(watching.several(world.connect(target), everywhere=everywhere), world, as_json=as_json, watch=watch)
        else:
            look(watching.one(begin(ctx, name, target)), world, as_json=as_json, watch=watch)


def look(view: View[T], world: CommandWorld, *, as_json: bool, watch: bool) -> None:
    """Print what is looked at, once or until interrupted."""
    from serinus.cli import watching

    if not watch:
        watching.show(view, as_json=as_json)
        return
    try:
        watching.watch(view, world.sleep, as_json=as_json)
    except KeyboardInterrupt:
        # Click would say "Aborted!", and somebody would believe it of the rollout.
        return


@app.command()
def explain(
    ctx: typer.Context,
    name: Name,
    *,
    rollout: Annotated[str | None, typer.Option("--rollout", help="An older Rollout; by default the newest.")] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    plot: Plot = None,
    prometheus: Annotated[
        str | None, typer.Option("--prometheus", help="With --plot: Prometheus URL to read the curves from.")
    ] = None,
    config: SourceConfig = None,
    source: SourceName = None,
) -> None:
    """Explain a rollout's outcome: one sentence, the numbers, the decisions."""
    if plot is None and (prometheus or config or source):
        raise typer.BadParameter("--prometheus, --config and --source need --plot FILE")
    from serinus.cli.explain.command import ExplainOptions
    from serinus.cli.explain.command import explain as explained
    from serinus.cli.sources import chosen_source

    with told():
        asked = chosen_source(prometheus, config, source) if prometheus or config or source else None
        explained(
            begin(ctx, name, Target(namespace, context, kubeconfig)), ExplainOptions(rollout, as_json, plot, asked)
        )


@app.command()
def promote(
    ctx: typer.Context,
    name: Name,
    *,
    through_step: Annotated[
        int | None, typer.Option("--through-step", min=1, max=50, help="Skip all pauses up to this step.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Go to 100% even if Undecided or Blind; never if Unsafe.")
    ] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    wait: Wait = ANSWER_SECONDS,
) -> None:
    """Skip the current pause, or more."""
    if full and through_step is not None:
        raise typer.BadParameter("give --through-step or --full, not both")
    with told():
        session = begin(ctx, name, Target(namespace, context, kubeconfig))
        pull(session, lambda story: levers.promote(story, through_step=through_step, full=full), wait)


@app.command()
def pause(
    ctx: typer.Context,
    name: Name,
    *,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    wait: Wait = ANSWER_SECONDS,
) -> None:
    """Hold the weight where it is; an Unsafe verdict still takes it away."""
    with told():
        pull(begin(ctx, name, Target(namespace, context, kubeconfig)), levers.pause, wait)


@app.command()
def resume(
    ctx: typer.Context,
    name: Name,
    *,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    wait: Wait = ANSWER_SECONDS,
) -> None:
    """Undo pause: let the rollout continue."""
    with told():
        pull(begin(ctx, name, Target(namespace, context, kubeconfig)), levers.resume, wait)


@app.command()
def abort(
    ctx: typer.Context,
    name: Name,
    *,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    wait: Wait = ANSWER_SECONDS,
) -> None:
    """Send all traffic back to stable and end the rollout."""
    with told():
        pull(begin(ctx, name, Target(namespace, context, kubeconfig)), levers.abort, wait)


@app.command()
def retry(
    ctx: typer.Context,
    name: Name,
    *,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    wait: Wait = ANSWER_SECONDS,
) -> None:
    """Start another attempt at a reverted or aborted revision."""
    with told():
        session = begin(ctx, name, Target(namespace, context, kubeconfig))
        pull(session, lambda story: levers.retry(story, to_rfc3339(session.world.now())), wait)


@app.command()
def undo(
    ctx: typer.Context,
    name: Name,
    *,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="VERSION", help="Version or revision to return to; default: what served before."),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the change to the cluster; without it, only print it.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --apply: even if Argo CD or Flux applies the manifest.")
    ] = False,
    alone: Annotated[
        bool, typer.Option("--alone", help="With --apply: even if other members of its group have to go back, too.")
    ] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    wait: Wait = ANSWER_SECONDS,
) -> None:
    """Print the manifest's change back to an earlier version, and what it would lead to."""
    if (force or alone) and not apply:
        raise typer.BadParameter(f"{'--force' if force else '--alone'} needs --apply")
    from serinus.cli.undo.command import UndoOptions
    from serinus.cli.undo.command import undo as undone

    with told():
        options = UndoOptions(to=to, apply=apply, force=force, alone=alone, as_json=as_json, wait=wait)
        undone(begin(ctx, name, Target(namespace, context, kubeconfig)), options)


@app.command()
def history(
    ctx: typer.Context,
    name: Name,
    *,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """List the kept revisions: version, model, since when it was stable, which rollout judged it and how it ended."""
    from serinus.cli.revisions.command import history as listed

    with told():
        listed(begin(ctx, name, Target(namespace, context, kubeconfig)), as_json=as_json)


@app.command()
def diff(
    ctx: typer.Context,
    name: Name,
    before: Annotated[str, typer.Argument(metavar="VERSION", help="A version or revision, as `history` lists them.")],
    after: Annotated[str | None, typer.Argument(metavar="[VERSION]", help="Another one; default: what serves.")] = None,
    *,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show in what two kept revisions differ: what was asked for, and what was fetched for it."""
    from serinus.cli.revisions.command import diff as compared

    with told():
        compared(begin(ctx, name, Target(namespace, context, kubeconfig)), before, after)


for command in (offline.simulate, offline.backtest, offline.convert):
    app.command()(command)


@app.command()
def run(
    *,
    config: Annotated[Path | None, typer.Option("--config", help="The operator's configuration file.")] = None,
    kubeconfig: Kubeconfig = None,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="One JSON object per line, or columns.")
    ] = "json",
    metrics_port: Annotated[
        int | None, typer.Option("--metrics-port", min=0, max=65535, help="Port of /metrics, /healthz and /readyz.")
    ] = None,
    metrics_address: Annotated[str | None, typer.Option("--metrics-address", help="Address to listen on.")] = None,
) -> None:
    """Run the operator."""
    with told():
        run_operator(
            config=config,
            kubeconfig=kubeconfig,
            log_format=log_format,
            metrics_port=metrics_port,
            metrics_address=metrics_address,
        )


def main() -> None:
    """Run the command that was typed."""
    app()
