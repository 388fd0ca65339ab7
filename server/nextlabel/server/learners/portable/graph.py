"""An ONNX graph, put together a node at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from nextlabel.server.values.errors import FailedPrecondition

INPUT, PROBABILITIES, SCORES = "embeddings", "probabilities", "scores"
# Old enough for the runtimes that are in use.
OPSET, IR_VERSION = 17, 8
MAX_BYTES = 1 << 30
"""A file of a model takes no more: beyond 2 GiB ONNX needs several."""


class Graph:
    """Nodes and constants from `INPUT`, (n, D) float32, to an output of so many columns, float32."""

    def __init__(self, dimension: int, output: str, columns: int) -> None:
        self._dimension = dimension
        self._output = output
        self._columns = columns
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, value: Any, dtype: Any = np.float64) -> str:
        """Add an array; returns its name."""
        from onnx import numpy_helper

        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype), name))
        return name

    def add(self, operator: str, *inputs: str, outputs: int = 1, name: str = "", **attributes: Any) -> Any:
        """Add a node; returns the name of its output, or the names of several."""
        from onnx import helper

        names = [name] if name else [f"v{len(self._nodes)}_{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def cast(self, value: str, dtype: Any, name: str = "") -> str:
        """Add a change of the data type."""
        from onnx import helper

        return str(self.add("Cast", value, name=name, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype))))

    def serialized(self) -> bytes:
        """Return the graph as an ONNX file.

        Raises:
            FailedPrecondition: it would be too large.
        """
        from onnx import TensorProto, checker, helper

        graph = helper.make_graph(
            self._nodes,
            "nextlabel",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", self._dimension])],
            [helper.make_tensor_value_info(self._output, TensorProto.FLOAT, ["n", self._columns])],
            self._constants,
        )
        model = helper.make_model(
            graph, producer_name="nextlabel", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
        )
        if (size := model.ByteSize()) > MAX_BYTES:
            raise FailedPrecondition(
                f"the model takes {size >> 20:,} MiB as one ONNX file, at most {MAX_BYTES >> 20:,} are allowed; train "
                "another learner: default, logistic_regression, sgd and lda are small",
                reason="MODEL_TOO_LARGE",
            )
        checker.check_model(model)
        return bytes(model.SerializeToString())
