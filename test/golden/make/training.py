"""Whole training steps of a network in float64 and, several ways, in float32.

In: an entry of networks.py. Out: a dict for a line of training.jsonl: losses, summaries of gradients and weights, and how
far float32 runs with other orders of summation drift from float64. What holds: images, labels and initial weights
follow from the hash alone (README.md), so none is stored.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from hashing import pcg3d, uniform
from optimizers import make_optimizer
from writing import Raw, number, numbers

CLASSES = 10
FIRST = 32
SNAPSHOTS = (1, 5, 10)


def images(start, count, shape):
    """Bytes [count, C, H, W]; byte i of sample n is the upper byte of pcg3d(n, i, 1234)."""
    samples = np.arange(start, start + count)[:, None]
    words = pcg3d(samples, np.arange(int(np.prod(shape)))[None, :], 1234)
    return (words >> np.uint32(24)).astype(np.uint8).reshape(count, *shape)


def labels(start, count):
    return (pcg3d(np.arange(start, start + count), 0, 99) % np.uint32(CLASSES)).astype(np.int64)


def initial_values(network):
    """For each parameter in PyTorch's order: how it starts. Weights and biases share their layer's bound."""
    modules = dict(network.named_modules())
    result = {}
    for index, (name, parameter) in enumerate(network.named_parameters()):
        layer, kind = name.rsplit(".", 1)
        if isinstance(modules[layer], torch.nn.BatchNorm2d):
            result[name] = {"kind": "constant", "value": 1 if kind == "weight" else 0}
        else:
            fan_in = int(np.prod(modules[layer].weight.shape[1:]))
            result[name] = {"kind": "hash", "index": index, "bound": 1.0 / math.sqrt(fan_in)}
    return result


def set_initial(network, initial):
    """(2u - 1) * bound in float64, rounded to float32: float32 and float64 runs start from the same values."""
    for name, parameter in network.named_parameters():
        start = initial[name]
        if start["kind"] == "constant":
            values = np.full(parameter.numel(), start["value"])
        else:
            draws = uniform(start["index"], np.arange(parameter.numel()), 77)
            values = ((2.0 * draws - 1.0) * start["bound"]).astype(np.float32)
        with torch.no_grad():
            parameter.copy_(torch.tensor(values).reshape(parameter.shape))


def batch_of(entry, start, count, dtype, order):
    """A normalised batch; `order` permutes the samples, which changes nothing but the order of summation."""
    pixels = torch.tensor(images(start, count, entry["input"])).to(dtype)
    x = (pixels / 255 - 0.5) / 0.5
    y = torch.tensor(labels(start, count))
    permutation = order(count)
    return x[permutation], y[permutation]


def tensors_of(network):
    """Parameters and running statistics as float64 copies, by name."""
    return {
        name: value.detach().double().numpy().copy()
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def run(entry, dtype, order=torch.arange, mkldnn=False):
    """All steps of one network: losses, gradients of step 1, tensors after some steps, loss in evaluation mode."""
    torch.backends.mkldnn.set_flags(mkldnn)
    network = entry["build"]().double()
    initial = initial_values(network)
    set_initial(network, initial)
    network.to(dtype).train()
    optimizer = make_optimizer(entry["optimizer"], list(network.parameters()))
    result = {"initial": initial, "losses": [], "after": {}}
    for step in range(entry["steps"]):
        x, y = batch_of(entry, step * entry["batch"], entry["batch"], dtype, order)
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), y, label_smoothing=entry["smoothing"])
        loss.backward()
        if step == 0:
            result["gradients"] = {n: p.grad.detach().double().numpy().copy() for n, p in network.named_parameters()}
        optimizer.step()
        result["losses"].append(float(loss.detach().double()))
        if step + 1 in SNAPSHOTS + (entry["steps"],):
            result["after"][step + 1] = tensors_of(network)
    network.eval()
    x, y = batch_of(entry, entry["steps"] * entry["batch"], entry["batch"], dtype, torch.arange)
    with torch.no_grad():
        logits = network(x)
        result["evaluation"] = float(F.cross_entropy(logits, y, label_smoothing=entry["smoothing"]).double())
        result["logits"] = logits.double().numpy()
    return result


def summary(array):
    flat = array.reshape(-1)
    return {
        "sum": Raw(number(flat.sum())),
        "absolute": Raw(number(np.abs(flat).sum())),
        "norm": Raw(number(np.linalg.norm(flat))),
        "first": numbers(flat[:FIRST]),
    }


def drift(exact, others):
    """The furthest of the float32 runs from float64: one element, the whole tensor (L2), and the summaries' sums."""
    return {
        "element": Raw(f"{max(np.abs(o - exact).max() for o in others):.3g}"),
        "norm": Raw(f"{max(np.linalg.norm(o - exact) for o in others):.3g}"),
        "sum": Raw(f"{max(abs(o.sum() - exact.sum()) for o in others):.3g}"),
    }


def summaries(exact, singles):
    """By tensor name: the float64 run, the first float32 run, and the drift of all of them."""
    return {
        name: {
            "float64": summary(value),
            "float32": summary(singles[0][name]),
            "drift": drift(value, [single[name] for single in singles]),
        }
        for name, value in exact.items()
    }


def losses(exact, singles):
    return {
        "float64": numbers(exact),
        "float32": numbers(singles[0]),
        "drift": Raw("[%s]" % ",".join(f"{max(abs(s[i] - e) for s in singles):.3g}" for i, e in enumerate(exact))),
    }


def training_case(entry):
    exact = run(entry, torch.float64)
    # The first is the plain one; the others sum in other orders: turned batches, and another convolution library.
    turns = [0] + [1 + int(turn) for turn in pcg3d(np.arange(5), 0, 5) % np.uint32(entry["batch"] - 1)]
    singles = [
        run(entry, torch.float32, order=lambda n, t=turn: torch.arange(n).roll(t), mkldnn=mkldnn)
        for turn in turns
        for mkldnn in (False, True)
    ]
    state = entry["build"]().state_dict()
    return {
        "name": entry["name"],
        "program": entry["program"],
        "input": list(entry["input"]),
        "classes": CLASSES,
        "recipe": {
            "steps": entry["steps"],
            "batch": entry["batch"],
            "mean": 0.5,
            "std": 0.5,
            "smoothing": entry["smoothing"],
            "optimizer": entry["optimizer"],
        },
        "parameters": [
            {"name": name, "shape": list(state[name].shape), "initial": initial}
            for name, initial in exact["initial"].items()
        ],
        "undetermined": list(entry["undetermined"]),
        "probe": {
            "images": [[int(v) for v in images(n, 1, entry["input"]).reshape(-1)[:16]] for n in (0, 1, 63)],
            "samples": [0, 1, 63],
            "labels": [int(v) for v in labels(0, 16)],
            "weights": {
                name: numbers(uniform(s["index"], np.arange(8), 77)) for name, s in exact["initial"].items()
                if s["kind"] == "hash"
            },
        },
        "losses": losses(exact["losses"], [s["losses"] for s in singles]),
        "gradients": summaries(exact["gradients"], [s["gradients"] for s in singles]),
        "after": [
            {"step": step, "tensors": summaries(tensors, [s["after"][step] for s in singles])}
            for step, tensors in exact["after"].items()
        ],
        "evaluation": {
            "start": entry["steps"] * entry["batch"],
            "count": entry["batch"],
            "loss": losses([exact["evaluation"]], [[s["evaluation"]] for s in singles]),
            "logits": summaries({"logits": exact["logits"]}, [{"logits": s["logits"]} for s in singles])["logits"],
        },
    }


def training_cases():
    from networks import NETWORKS

    return [training_case(entry) for entry in NETWORKS]
