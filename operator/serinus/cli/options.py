"""The options that several commands share, declared once."""

from __future__ import annotations

from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(metavar="NAME", help="The ModelDeployment.")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Its namespace; default the context's.")]
Context = Annotated[str | None, typer.Option("--context", help="A context of the kubeconfig.")]
Kubeconfig = Annotated[str | None, typer.Option("--kubeconfig", help="The kubeconfig's path.")]
Wait = Annotated[
    float,
    typer.Option("--wait", min=0, help="Seconds to wait until the operator has answered; 0 does not wait."),
]
