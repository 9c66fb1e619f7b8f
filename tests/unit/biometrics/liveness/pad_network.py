"""A detector of presentations that detects nothing: it answers by how bright the picture is."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from services.biometrics.liveness.pad import PadCard
from services.biometrics.models.files import sha256

SIZE = 16


def network(output: str) -> bytes:
    """Mean of the picture's values as a probability, or as logits (other, live) of -mean and mean."""
    shown = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])
    axes = numpy_helper.from_array(np.array([1, 2, 3], np.int64), "axes")
    nodes = [helper.make_node("ReduceMean", ["pictures", "axes"], ["mean"], keepdims=0)]
    outputs: list[int | str] = ["n"]
    if output == "logits":
        last = numpy_helper.from_array(np.array([1], np.int64), "last")
        nodes += [
            helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
            helper.make_node("Neg", ["column"], ["other"]),
            helper.make_node("Concat", ["other", "column"], ["told"], axis=1),
        ]
        initializers, outputs = [axes, last], ["n", 2]
    else:
        nodes.append(helper.make_node("Identity", ["mean"], ["told"]))
        initializers = [axes]
    answer = helper.make_tensor_value_info("told", TensorProto.FLOAT, outputs)
    graph = helper.make_graph(nodes, "brightness", [shown], [answer], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def mounted(folder: Path, **change: Any) -> Path:
    """Mount the network with a card of the form an operator writes; return the card."""
    card = {
        "id": "brightness-1",
        "file": "brightness.onnx",
        "size": SIZE,
        "colour": "rgb",
        "mean": (0, 0, 0),
        "scale": 1 / 255,
        "margin": 1.5,
        "output": "probability",
        "threshold": 0.5,
    } | change
    made = network(str(card["output"]))
    (folder / "brightness.onnx").write_bytes(made)
    outputs = PadCard.model_validate({"sha256": sha256(made)} | card)
    (folder / "pad.json").write_text(outputs.model_dump_json())
    return folder / "pad.json"
