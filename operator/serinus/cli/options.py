"""Options shared by several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

FORMATS: Final = {".png", ".svg"}


def _is_picture(file: Path | None) -> Path | None:
    if file is not None and file.suffix.lower() not in FORMATS:
        raise typer.BadParameter("the file must end in .png or .svg")
    return file


Name = Annotated[str, typer.Argument(metavar="NAME", help="The ModelDeployment.")]
AnyName = Annotated[str | None, typer.Argument(metavar="[NAME]", help="The ModelDeployment; all of them if omitted.")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace; by default the context's.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="List all namespaces.")]
Context = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig.")]
Kubeconfig = Annotated[str | None, typer.Option("--kubeconfig", help="Path to the kubeconfig.")]
Wait = Annotated[
    float,
    typer.Option("--wait", min=0, help="Seconds to wait for the operator's acknowledgement; 0: do not wait."),
]
Plot = Annotated[Path | None, typer.Option("--plot", help="Plot to a .png or .svg file.", callback=_is_picture)]
SourceConfig = Annotated[
    Path | None, typer.Option("--config", help="Configuration file with the Prometheus and its credentials.")
]
SourceName = Annotated[
    str | None, typer.Option("--source", help="With --config: which Prometheus; by default the first.")
]
