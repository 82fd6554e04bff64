"""Optimizer cases: five steps on one small vector with given gradients, in float64."""

import numpy as np
import torch

from cases import next_draws
from writing import tensor

STEPS = 5
SGD = {"kind": "sgd", "learningRate": 0.1, "momentum": 0.0, "nesterov": False, "decay": 0.0}
ADAM = {"kind": "adam", "learningRate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "decay": 0.0}
TABLE = [
    ("sgd-plain", SGD, {}),
    ("sgd-momentum", SGD, {"momentum": 0.9}),
    ("sgd-nesterov", SGD, {"momentum": 0.9, "nesterov": True}),
    ("sgd-decay", SGD, {"decay": 0.05}),
    ("sgd-momentum-decay", SGD, {"momentum": 0.5, "decay": 5e-4}),
    ("sgd-nesterov-decay", SGD, {"learningRate": 0.05, "momentum": 0.9, "nesterov": True, "decay": 5e-4}),
    ("adam-default", ADAM, {"learningRate": 1e-3}),
    ("adam-tutorial", ADAM, {}),
    ("adam-decay", ADAM, {"decay": 0.05}),
    ("adam-other-betas", ADAM, {"beta1": 0.5, "beta2": 0.9}),
    ("adam-large-epsilon", ADAM, {"epsilon": 0.1}),
    ("adam-betas-zero", ADAM, {"beta1": 0.0, "beta2": 0.0, "epsilon": 1e-3}),
]


def make_optimizer(recipe, parameters):
    if recipe["kind"] == "sgd":
        return torch.optim.SGD(parameters, lr=recipe["learningRate"], momentum=recipe["momentum"],
                               nesterov=recipe["nesterov"], weight_decay=recipe["decay"])
    return torch.optim.Adam(parameters, lr=recipe["learningRate"], betas=(recipe["beta1"], recipe["beta2"]),
                            eps=recipe["epsilon"], weight_decay=recipe["decay"])


def optimizer_case(name, base, changes):
    draws = next_draws()
    recipe = {**base, **changes}
    start = draws.values(9)
    gradients = draws.values(STEPS, 9)
    # No gradient at all, one as small as epsilon, a large one, and one that comes only once.
    gradients[:, 0] = 0.0
    gradients[:, 1] = 2.0**-27
    gradients[:, 2] = 1000.0
    gradients[1:, 3] = 0.0
    parameter = torch.nn.Parameter(torch.tensor(start))
    optimizer = make_optimizer(recipe, [parameter])
    after = []
    for step in range(STEPS):
        parameter.grad = torch.tensor(gradients[step])
        optimizer.step()
        after.append(parameter.detach().numpy().copy())
    return {
        "name": name,
        "optimizer": recipe,
        "start": tensor(start, exact=True),
        "gradients": [tensor(row, exact=True) for row in gradients],
        "parameters": [tensor(row) for row in after],
    }


def optimizer_cases():
    return [optimizer_case(*row) for row in TABLE]
