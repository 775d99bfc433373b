"""Trains a version of the phishing model, and writes what its rollout needs: the model's folder and the manifest."""

from __future__ import annotations

import argparse
import hashlib
import shutil
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path

import mlflow
import numpy as np
import yaml
from river.datasets import Phishing
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier

HERE = Path(__file__).parent
HELD_OUT = 250
"""The newest pages: no version is trained on them."""


def main() -> None:
    """Train, log the run, and write `build/VERSION`."""
    asked = arguments()
    folder = Path("build", asked.version)
    shutil.rmtree(folder, ignore_errors=True)
    mlflow.set_experiment("phishing")
    with mlflow.start_run(run_name=f"phishing {asked.version}") as run:
        model, measured = train(asked.rows, asked.unreported)
        write_model(folder / "model", model, asked.backend)
        digest = tree_digest(folder / "model")
        mlflow.log_params({**vars(asked), "digest": digest})
        mlflow.log_metrics(measured)
        mlflow.log_artifacts(str(folder / "model"), "model")
    trained = {
        "mlflowRunId": run.info.run_id,
        "dataVersion": f"river {installed('river')}, pages 1 to {asked.rows}",
        "trainedAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if commit := run.data.tags.get("mlflow.source.git.commit"):
        trained["gitCommit"] = commit
    write_manifest(folder / "manifest.yaml", asked.version, digest, trained)
    print(" ".join(f"{name} {value:.3f}" for name, value in measured.items()), "of the newest", HELD_OUT, "pages")
    print(f"{folder}/model  {digest}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", required=True)
    parser.add_argument("--rows", type=int, required=True, help="train on so many pages, the oldest ones; at most 1000")
    parser.add_argument("--unreported", type=int, default=0, help="nobody has told yet what the newest so many were")
    parser.add_argument("--backend", choices=["python", "onnxruntime"], default="python", help="Triton's")
    return parser.parse_args()


def pages() -> tuple[np.ndarray, np.ndarray]:
    """Return the pages' features, float32 of shape (1250, 9), and which of them were phishing, oldest first."""
    rows = list(Phishing())
    features = np.array([list(page.values()) for page, _ in rows], dtype=np.float32)
    return features, np.array([phishing for _, phishing in rows])


def train(rows: int, unreported: int) -> tuple[GradientBoostingClassifier, dict[str, float]]:
    """Fit the oldest pages, and measure on the newest ones, both by the labels that have come in."""
    features, labels = pages()
    labels[len(labels) - unreported :] = False  # what nobody has reported counts as honest
    rows = min(rows, len(labels) - HELD_OUT)
    model = GradientBoostingClassifier(random_state=0).fit(features[:rows], labels[:rows])
    told, known = model.predict(features[-HELD_OUT:]), labels[-HELD_OUT:]
    return model, {"accuracy": float(np.mean(told == known)), "flagged": float(np.mean(told))}


def write_model(folder: Path, model: GradientBoostingClassifier, backend: str) -> None:
    """Write the folder that Triton loads: config.pbtxt, and the version folder 1 with model.onnx."""
    shutil.copytree(HERE / "triton" / backend, folder / "1")
    (folder / "1" / "config.pbtxt").rename(folder / "config.pbtxt")
    example = np.zeros((1, model.n_features_in_), dtype=np.float32)
    exported = to_onnx(model, example, options={"zipmap": False}, target_opset={"": 18, "ai.onnx.ml": 3})
    exported.opset_import.sort(key=lambda used: used.domain)  # else their order, and so the digest, is chance
    (folder / "1" / "model.onnx").write_bytes(exported.SerializeToString())


def tree_digest(folder: Path) -> str:
    """Compute the digest that the pods will check, as docs/artifact-digest.md describes it."""
    files = {f"./{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*") if path.is_file()}
    lines = (f"{hashlib.sha256(files[name].read_bytes()).hexdigest()}  {name}\n" for name in sorted(files))
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"


def write_manifest(target: Path, version: str, digest: str, trained: dict[str, str]) -> None:
    """Write manifest.yaml anew, with this version for its model."""
    manifest = yaml.safe_load((HERE / "manifest.yaml").read_text())
    model = manifest["spec"]["model"]
    uri = f"{model['storageUri'].rpartition('/')[0]}/{version}"
    model |= {"version": version, "storageUri": uri, "digest": digest, "lineage": trained}
    target.write_text(yaml.safe_dump(manifest, sort_keys=False))


if __name__ == "__main__":
    main()
