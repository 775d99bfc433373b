from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

FLAGGED_FROM = 0.5


class TritonPythonModel:
    """Scores pages with the model.onnx beside it, and counts on /metrics how many it scored and how many it flagged."""

    def initialize(self, args):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the model is small: threads would only take CPU from other pods
        file = Path(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.families = []  # a family must live as long as its counter
        self.scored = self.counter("phishing_scored_total", "Pages that were scored")
        self.flagged = self.counter("phishing_flagged_total", "Pages of these that are said to be phishing")

    def counter(self, name, description):
        family = pb_utils.MetricFamily(name=name, description=description, kind=pb_utils.MetricFamily.COUNTER)
        self.families.append(family)
        return family.Metric(labels={})

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        pages = pb_utils.get_input_tensor_by_name(request, "X").as_numpy()
        (probabilities,) = self.session.run(["probabilities"], {"X": pages})
        self.scored.increment(len(pages))
        self.flagged.increment(float(np.sum(probabilities[:, 1] >= FLAGGED_FROM)))
        return pb_utils.InferenceResponse([pb_utils.Tensor("probabilities", probabilities)])
