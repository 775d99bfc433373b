"""A real Triton on the machine itself: the stack's image, unpacked and entered.

The pods' Triton answers only inside the stack's network; the contract of the probe needs the server and nothing else.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serinus.core.serving.triton.layout import file_paths
from serinus_local import images
from serinus_local.ports import Ports
from serinus_local.process import Processes, Program

CONFIG = """
backend: "python"
max_batch_size: 0
input [{name: "AMOUNT", data_type: TYPE_FP32, dims: [2]}, {name: "NAME", data_type: TYPE_STRING, dims: [1]}]
output [{name: "SCORE", data_type: TYPE_FP32, dims: [2], label_filename: "labels.txt"}]
"""
MODEL = """
import numpy as np
import triton_python_backend_utils as utils

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        amount = utils.get_input_tensor_by_name(request, "AMOUNT").as_numpy()
        name = utils.get_input_tensor_by_name(request, "NAME").as_numpy()[0]
        if name != "grüße".encode():
            return utils.InferenceResponse(error=utils.TritonError("nobody is called " + name.decode()))
        return utils.InferenceResponse(output_tensors=[utils.Tensor("SCORE", amount * 2)])
"""


@contextmanager
def triton_server(state: Path) -> Iterator[str]:
    """Serve the model `fraud` and give the address of the gRPC port; needs root."""
    root = _unpacked(state / "root")
    _put_model(root / "models" / "fraud")
    port = Ports(state)["triton"]
    serve = (
        "tritonserver --model-repository=/models --model-control-mode=none --allow-http=false --allow-metrics=false"
        f" --grpc-address=127.0.0.1 --grpc-port={port}"
    )
    # A mount namespace of its own: the kernel takes the mount away with the process.
    enter = f"mount --rbind /dev {root}/dev && mount --rbind /proc {root}/proc && exec chroot {root} {serve}"
    processes = Processes(state)
    processes.start(Program("triton", ("unshare", "--mount", "sh", "-c", enter)))
    try:
        processes.wait(
            lambda: "Started GRPCInferenceService" in processes.log("triton").read_text(),
            "triton",
            what="the gRPC port",
            limit=60,
        )
        yield f"127.0.0.1:{port}"
    finally:
        processes.stop("triton")
        shutil.rmtree(root)


def _unpacked(root: Path) -> Path:
    """Unpack the layers of the image."""
    with tarfile.open(images.triton().archive) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        for name in json.load(manifest)[0]["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                layer.extractall(root, filter="fully_trusted")
    return root


def _put_model(folder: Path) -> None:
    """Lay the model out as a ConfigMap with these keys would be."""
    files = {"config.pbtxt": CONFIG, "model.py": MODEL, "labels.txt": "low\nhigh\n"}
    for key, path in file_paths(files, CONFIG).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(files[key])
