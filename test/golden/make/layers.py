"""Cases of batch normalisation, linear, flatten, dropout in evaluation mode, activations and losses."""

import numpy as np
import torch
import torch.nn.functional as F

from cases import case, next_draws

# name, input, scale, shift, epsilon, momentum. [N, C] is BatchNorm1d.
NORMALISATION = [
    ("maps", (4, 3, 5, 4), True, True, 1e-5, 0.1),
    ("batch-one", (1, 3, 5, 7), True, True, 1e-5, 0.1),
    ("batch-seven-odd", (7, 2, 3, 5), True, True, 1e-5, 0.1),
    ("one-channel", (2, 1, 7, 3), True, True, 1e-5, 0.1),
    ("one-pixel", (7, 4, 1, 1), True, True, 1e-5, 0.1),
    ("two-elements-a-channel", (2, 5, 1, 1), True, True, 1e-5, 0.1),
    ("vector", (7, 6), True, True, 1e-5, 0.1),
    ("large-epsilon-and-momentum", (2, 3, 4, 4), True, True, 1e-2, 0.7),
    ("momentum-one", (2, 2, 3, 3), True, True, 1e-5, 1.0),
    ("scale-off", (2, 3, 3, 4), False, True, 1e-5, 0.1),
    ("shift-off", (2, 3, 3, 4), True, False, 1e-5, 0.1),
    ("scale-and-shift-off", (2, 3, 3, 4), False, False, 1e-5, 0.1),
]


def normalisation(training, name, shape, scale, shift, epsilon, momentum, mean=0.0):
    draws = next_draws()
    channels = shape[1]
    inputs = {"x": draws.values(*shape) + mean}
    if scale:
        inputs["weight"] = draws.values(channels)
    if shift:
        inputs["bias"] = draws.values(channels)
    inputs["running_mean"] = draws.values(channels)
    inputs["running_var"] = draws.positive(channels)

    def run(x, running_mean, running_var, weight=None, bias=None):
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, epsilon)

    attributes = {"training": training, "epsilon": epsilon, "momentum": momentum, "scale": scale, "shift": shift}
    statistics = ("running_mean", "running_var")
    return case("batch_norm", f"{name}-{'training' if training else 'evaluation'}", attributes, inputs, run, draws,
                fixed=() if training else statistics, state=statistics if training else ())


def constant_channel():
    """A channel of one value: variance zero, epsilon alone keeps it finite."""
    draws = next_draws()
    x = draws.values(2, 2, 3, 3)
    x[:, 0] = 1.5
    inputs = {"x": x, "weight": draws.values(2), "bias": draws.values(2), "running_mean": draws.values(2),
              "running_var": draws.positive(2)}
    run = lambda x, weight, bias, running_mean, running_var: F.batch_norm(
        x, running_mean, running_var, weight, bias, True, 0.1, 1e-5)
    attributes = {"training": True, "epsilon": 1e-5, "momentum": 0.1, "scale": True, "shift": True}
    return case("batch_norm", "constant-channel-training", attributes, inputs, run, draws,
                state=("running_mean", "running_var"))


def normalisation_cases():
    training = [normalisation(True, *row) for row in NORMALISATION]
    # The mean is 100 deviations away: a variance computed as E[x²] - E[x]² in float32 loses its digits here.
    training.append(normalisation(True, "far-mean", (3, 2, 4, 3), True, True, 1e-5, 0.1, mean=100.0))
    training.append(constant_channel())
    return training + [normalisation(False, *row) for row in NORMALISATION]


LINEAR = [(1, 1, 1), (1, 5, 3), (7, 4, 6), (2, 16, 10), (3, 33, 5), (7, 3, 1), (4, 1, 9), (2, 45, 2)]


def linear_cases():
    cases = []
    for rows, inward, outward in LINEAR:
        for bias in (True, False):
            draws = next_draws()
            inputs = {"x": draws.values(rows, inward), "weight": draws.values(outward, inward)}
            if bias:
                inputs["bias"] = draws.values(outward)
            name = f"{rows}x{inward}-to-{outward}{'' if bias else '-no-bias'}"
            cases.append(case("linear", name, {"bias": bias}, inputs, F.linear, draws))
    return cases


def shape_cases():
    """Flatten (channels slowest) and dropout in evaluation mode (the identity)."""
    cases = []
    for shape in [(2, 3, 4, 5), (1, 7, 1, 1), (7, 1, 3, 2), (3, 6)]:
        draws = next_draws()
        name = "x".join(map(str, shape))
        cases.append(case("flatten", name, {}, {"x": draws.values(*shape)}, lambda x: torch.flatten(x, 1), draws))
    for shape, probability in [((2, 3, 3, 2), 0.5), ((7, 5), 0.1), ((1, 2, 3, 3), 0.0)]:
        draws = next_draws()
        run = lambda x, p=probability: F.dropout(x, p, training=False)
        name = f"evaluation-{probability}"
        attributes = {"probability": probability, "training": False}
        cases.append(case("dropout", name, attributes, {"x": draws.values(*shape)}, run, draws))
    return cases


# Name, function of (x, parameter), the parameters to try (0 where there is none).
ACTIVATIONS = [
    ("relu", lambda x, _: F.relu(x), [0]),
    ("relu6", lambda x, _: F.relu6(x), [0]),
    ("leaky_relu", F.leaky_relu, [0.01, 0.1]),
    ("elu", F.elu, [1.0, 0.5]),
    ("selu", lambda x, _: F.selu(x), [0]),
    ("gelu", lambda x, _: F.gelu(x), [0]),
    ("silu", lambda x, _: F.silu(x), [0]),
    ("mish", lambda x, _: F.mish(x), [0]),
    ("hardswish", lambda x, _: F.hardswish(x), [0]),
    ("hardsigmoid", lambda x, _: F.hardsigmoid(x), [0]),
    ("sigmoid", lambda x, _: torch.sigmoid(x), [0]),
    ("tanh", lambda x, _: torch.tanh(x), [0]),
    ("softplus", lambda x, _: F.softplus(x), [0]),
]
# Zero, the corners of the piecewise ones (±3, 6) and their neighbours, and magnitudes where exp over- or underflows.
CORNERS = [0.0, 0.015625, -0.015625, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 3.015625, -3.015625, 2.984375, -2.984375, 6.0,
           6.015625, 5.984375, -6.0, 10.0, -10.0, 19.984375, 20.015625, -20.0, 50.0, -50.0, 90.0, -90.0, 1000.0, -1000.0]


def corners(name):
    """hardswish has no agreed slope at ±3: PyTorch's vectorised and scalar kernels differ there, and its versions."""
    return np.array([x for x in CORNERS if name != "hardswish" or abs(x) != 3.0])


def elementwise_gradient(function, x, parameter, upstream):
    """Value by value, so that no vectorised path takes part."""
    gradients = []
    for value, factor in zip(x.reshape(-1), upstream.reshape(-1)):
        at = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        gradients.append(float(torch.autograd.grad(function(at, parameter), at, torch.tensor(factor))[0]))
    return np.array(gradients).reshape(x.shape)


def activation_cases():
    cases = []
    for name, function, parameters in ACTIVATIONS:
        for parameter in parameters:
            for label, shape in [("corners", None), ("map", (7, 2, 3, 1))]:
                draws = next_draws()
                x = corners(name) if shape is None else draws.values(*shape, scale=2.0)
                upstream = draws.values(*x.shape)
                upstream[upstream == 0.0] = 1.0
                run = lambda x, f=function, p=parameter: f(x, p)
                at = torch.tensor(x, requires_grad=True)
                whole = torch.autograd.grad(run(at), at, torch.tensor(upstream))[0].numpy()
                single = elementwise_gradient(function, x, parameter, upstream)
                # PyTorch's vectorised and scalar kernels must agree, at the corners above all.
                assert np.allclose(whole, single, rtol=1e-12, atol=1e-300), (name, x[~np.isclose(whole, single)])
                suffix = f"-{parameter}" if len(parameters) > 1 else ""
                attributes = {"parameter": parameter}
                cases.append(case(name, label + suffix, attributes, {"x": x}, run, draws, upstream=upstream))
    return cases


# name, batch, classes, factor on the logits.
LOGITS = [
    ("two-classes", 3, 2, 1.0),
    ("batch-one", 1, 10, 1.0),
    ("ten-classes", 7, 10, 1.0),
    ("hundred-classes", 2, 100, 2.0),
    ("thousand-classes", 1, 1000, 1.0),
    ("thousand-classes-batch-two", 2, 1000, 4.0),
    ("large-logits", 4, 10, 64.0),
    ("very-large-logits", 3, 5, 1024.0),
]


def loss_cases():
    cases = []
    for name, rows, classes, scale in LOGITS:
        draws = next_draws()
        logits = draws.values(rows, classes, scale=scale)
        cases.append(case("log_softmax", name, {}, {"x": logits}, lambda x: F.log_softmax(x, 1), draws))
        for smoothing in (0, 0.1):
            draws = next_draws()
            inputs = {"x": draws.values(rows, classes, scale=scale), "labels": draws.integers((rows,), classes)}
            run = lambda x, labels, s=smoothing: F.cross_entropy(x, labels, label_smoothing=s)
            upstream = np.array(1.0 if rows != 2 else 0.5)
            cases.append(case("cross_entropy", f"{name}-smoothing-{smoothing}", {"smoothing": smoothing}, inputs, run,
                              draws, fixed=("labels",), upstream=upstream))
    # All logits equal: the loss is log(classes), whatever the offset.
    for offset in (0.0, 500.0, -500.0):
        draws = next_draws()
        inputs = {"x": np.full((3, 4), offset), "labels": np.array([0, 3, 1])}
        run = lambda x, labels: F.cross_entropy(x, labels)
        cases.append(case("cross_entropy", f"equal-logits-{int(offset)}", {"smoothing": 0}, inputs, run, draws,
                          fixed=("labels",), upstream=np.array(1.0)))
    return cases
