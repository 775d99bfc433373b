"""The options that several commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

FORMATS: Final = {".png", ".svg"}


def _is_picture(file: Path | None) -> Path | None:
    if file is not None and file.suffix.lower() not in FORMATS:
        raise typer.BadParameter("name a file that ends in .png or .svg")
    return file


Name = Annotated[str, typer.Argument(metavar="NAME", help="The ModelDeployment.")]
AnyName = Annotated[str | None, typer.Argument(metavar="[NAME]", help="The ModelDeployment; all of them without.")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Its namespace; the context's by default.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="List those of all namespaces.")]
Context = Annotated[str | None, typer.Option("--context", help="A context in the kubeconfig.")]
Kubeconfig = Annotated[str | None, typer.Option("--kubeconfig", help="Path of the kubeconfig.")]
Wait = Annotated[
    float,
    typer.Option("--wait", min=0, help="Seconds to wait for the operator's answer; 0 does not wait."),
]
Plot = Annotated[Path | None, typer.Option("--plot", help="Draw it to a .png or .svg file.", callback=_is_picture)]
SourceConfig = Annotated[
    Path | None, typer.Option("--config", help="A configuration with the Prometheus and its credentials.")
]
SourceName = Annotated[
    str | None, typer.Option("--source", help="With --config: which Prometheus; the first by default.")
]
