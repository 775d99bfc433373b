"""Models that scikit-learn trains on its own iris data, as folders that MLServer loads."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from serinus_local import mlserver_image

_TRAIN = """
import sys
import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from steps import step

target, columns = sys.argv[1], int(sys.argv[2])
features, species = load_iris(return_X_y=True)
model = make_pipeline(step, LogisticRegression(max_iter=500)).fit(features[:, :columns], species)
joblib.dump(model, target)
"""
SCALED = "from sklearn.preprocessing import StandardScaler\nstep = StandardScaler()\n"
HOME_MADE = """
from sklearn.base import BaseEstimator, TransformerMixin

class Halved(BaseEstimator, TransformerMixin):
    def fit(self, features, species=None):
        return self

    def transform(self, features):
        return features / 2

step = Halved()
"""
"""A step of a module that only whoever trained the model has."""


def train(folder: Path, number: int, *, columns: int = 4, step: str = SCALED) -> Path:
    """Train a model on so many columns of the four, and write the folder that MLServer loads as this version."""
    folder.mkdir(parents=True)
    code = folder.with_suffix(".training")
    code.mkdir()
    (code / "steps.py").write_text(step)
    (code / "train.py").write_text(_TRAIN)
    python, environment = mlserver_image.trainer()
    command = [*python, str(code / "train.py"), str(folder / "model.joblib"), str(columns)]
    subprocess.run(command, env=environment, check=True, timeout=120)
    settings = {
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": str(number)},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings))
    return folder
