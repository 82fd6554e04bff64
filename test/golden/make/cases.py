"""From a PyTorch function and its inputs to one operator case.

In: an operator's name, attributes, numpy inputs that float32 holds exactly. Out: a dict for a line of
operators.jsonl. What holds: everything is computed in float64; gradients are those of sum(output * upstream).
"""

import torch

from hashing import Draws
from writing import tensor

_seed = [0]


def next_draws():
    """Every case has its own stream of draws, numbered in the order of the script."""
    _seed[0] += 1
    return Draws(_seed[0])


def case(operator, name, attributes, inputs, run, draws, fixed=(), upstream=None, state=()):
    """Runs `run(**inputs)` and its gradients by every input that is not in `fixed` or `state`.

    `fixed`: inputs without a gradient (labels, statistics in evaluation mode); `state`: inputs that PyTorch
    changes in place (running statistics), whose new values are stored under "state".
    """
    held = {}
    for key, value in inputs.items():
        integer = value.dtype.kind == "i"
        held[key] = torch.tensor(value, dtype=torch.int64 if integer else torch.float64)
        if key not in fixed and key not in state:
            held[key].requires_grad_(True)
    before = {key: value.detach().clone() for key, value in held.items()}
    output = run(**held)
    if upstream is None:
        upstream = draws.values(*output.shape)
    wanted = [key for key in held if held[key].requires_grad]
    gradients = torch.autograd.grad(output, [held[key] for key in wanted], torch.tensor(upstream, dtype=torch.float64))
    result = {
        "operator": operator,
        "name": name,
        "attributes": attributes,
        "inputs": {key: tensor(value.numpy(), exact=True) for key, value in before.items()},
        "output": tensor(output.detach().numpy()),
        "upstream": tensor(upstream, exact=True),
        "gradients": {key: tensor(value.numpy()) for key, value in zip(wanted, gradients)},
    }
    if state:
        result["state"] = {key: tensor(held[key].detach().numpy()) for key in state}
    return result
