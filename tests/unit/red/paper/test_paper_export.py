"""The paper's network as ONNX: the same contract, plain operators, and torch's answers as far as they can be its.

The paper's hard choices (which of four values, which of L+1 classes) are not continuous: where two values are
equal up to rounding, two runtimes may choose differently, and so may torch in another precision. The first pass
to the bottleneck has no such choice, so its memory must agree always; points must agree in most rows.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from export.parity import moving_faces
from red.training.validate import to_image
from red_align import contract
from tests.conftest import Exports
from tests.support.exports import Exported

# An export takes 20 to 40 s of one core, more where others share it.
pytestmark = pytest.mark.timeout(400)
SAME_PX = 0.01
# Plain operators that TensorRT knows: no MaxUnpool, no ScatterND, no Loop, and nothing of unknown size.
OPERATORS = """Abs Add ArgMax Cast Clip Concat Conv DepthToSpace Div Equal Expand Floor Gather Gemm Greater Identity
    LessOrEqual Max MaxPool Mul ReduceMax ReduceSum Relu Reshape Shape Sigmoid Slice Softmax Split Squeeze Sub Tanh
    Transpose Unsqueeze Where"""


@pytest.fixture(scope="module", params=["paper68", "paper7"])
def exported(request: pytest.FixtureRequest, exports: Exports) -> Exported:
    return exports(request.param)


def test_the_graphs_keep_the_contract_with_plain_operators(exported: Exported) -> None:
    points, memory = exported.network.scheme.num_points, exported.network.preset.memory
    wide = {"prior": 2 * points, "landmarks": 2 * points, "confidence": points, "start": 1}
    for graph, passes in ((contract.STEP_GRAPH, 1), (contract.ACQUIRE_GRAPH, len(exported.network.preset.square_px))):
        model = onnx.load(exported.folder / f"{graph}.onnx", load_external_data=False)
        assert {n.op_type for n in model.graph.node} <= set(OPERATORS.split())
        assert [(o.domain, o.version) for o in model.opset_import] == [("", 18)]
        for value in [*model.graph.input, *model.graph.output]:
            dims = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
            crop = ["N", 128, 128, 3]
            assert dims == (crop if value.name == "crop" else ["N", wide.get(value.name, memory)])
        reported = {p.key: p.value for p in model.metadata_props}
        wanted = {"preset": "paper", "passes": str(passes), "points": str(points), "training_run": "run-7"}
        assert reported | wanted == reported


def test_one_step_agrees_with_torch(exported: Exported) -> None:
    crops, network = moving_faces(4, 3), exported.network
    rng = np.random.default_rng(0)
    rows, same = 0, 0
    for crop in crops:
        prior = exported.prior(3) + rng.normal(0, 3, exported.prior(3).shape).astype(np.float32)
        state = rng.normal(0, 0.5, (3, network.preset.memory)).astype(np.float32)
        ours = exported.run("red", crop, prior, np.zeros((3, 1), np.float32), np.full_like(state, np.nan), state)
        with torch.no_grad():
            wanted = network.track(
                to_image(torch.from_numpy(crop)), torch.from_numpy(prior).reshape(3, -1, 2), torch.from_numpy(state)
            )
        assert all(np.isfinite(part).all() for part in ours)
        np.testing.assert_array_equal(ours[2], ours[3])
        np.testing.assert_allclose(ours[2], wanted.memory.numpy(), atol=1e-4)
        apart = np.abs(ours[0] - wanted.points.flatten(1).numpy()).max(axis=1)
        np.testing.assert_allclose(
            ours[1][apart < SAME_PX], torch.sigmoid(wanted.confidence).numpy()[apart < SAME_PX], atol=1e-3
        )
        rows, same = rows + len(apart), same + int((apart < SAME_PX).sum())
        assert np.abs(ours[0] - exported.prior(3)).max() > 0.05
    assert same >= 0.75 * rows


def test_a_first_frame_agrees_with_torch(exported: Exported) -> None:
    crops, network = moving_faces(3, 4), exported.network
    apart = []
    for crop in crops:
        zeros = np.zeros((4, network.preset.memory), np.float32)
        ours = exported.run("red_acquire", crop, exported.prior(4), zeros)
        with torch.no_grad():
            image = to_image(torch.from_numpy(crop))
            wanted = network.acquire(image, network.mean_prior(4), network.fresh_memory(4))[-1]
        assert all(np.isfinite(part).all() for part in ours)
        assert [part.shape[0] for part in ours] == [4, 4, 4]
        apart.append(np.abs(ours[0] - wanted.points.flatten(1).numpy()).max(axis=1))
    assert (np.concatenate(apart) < SAME_PX).mean() >= 0.75


def test_at_a_start_memory_comes_from_resume_whatever_the_state_holds(exported: Exported) -> None:
    crop, ones = moving_faces(1, 2)[0], np.ones((2, 1), np.float32)
    kept = np.random.default_rng(1).normal(0, 0.5, (2, exported.network.preset.memory)).astype(np.float32)
    nan = np.full_like(kept, np.nan)
    begun = exported.run("red", crop, exported.prior(2), ones, kept, nan)
    gone_on = exported.run("red", crop, exported.prior(2), 0 * ones, nan, kept)
    for ours, theirs in zip(begun, gone_on, strict=True):
        assert np.isfinite(ours).all()
        np.testing.assert_array_equal(ours, theirs)
