"""The layers of torchvision's networks: what each gives, its parameters and its multiply-adds.

In: torchvision's constructors. Out: one case a network, with one row an operation that was carried out, in the order of
execution: word, output, parameters, multiply-adds. What holds: nothing is computed (the tensors have shapes and no values);
the operations are those that arrive at PyTorch's dispatcher, so that `F.relu` counts as much as `nn.ReLU`.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision import models

WITHOUT_HEADS = {"aux_logits": False, "init_weights": False}
# The file in examples/zoo/, torchvision's constructor, its arguments, height and width of a picture. Not here is ConvNeXt,
# which torchvision computes with channels last, in matrices.
NETWORKS = [
    ("alexnet", models.alexnet, {}, 224),
    ("vgg16", models.vgg16, {}, 224),
    ("vgg16-bn", models.vgg16_bn, {}, 224),
    ("resnet18", models.resnet18, {}, 224),
    ("resnet50", models.resnet50, {}, 224),
    ("resnext50", models.resnext50_32x4d, {}, 224),
    ("squeezenet", models.squeezenet1_0, {}, 224),
    ("googlenet", models.googlenet, WITHOUT_HEADS, 224),
    ("inceptionv3", models.inception_v3, WITHOUT_HEADS, 299),
    ("densenet121", models.densenet121, {}, 224),
    ("mobilenetv2", models.mobilenet_v2, {}, 224),
    ("mobilenetv3-large", models.mobilenet_v3_large, {}, 224),
    ("mnasnet", models.mnasnet1_0, {}, 224),
    ("shufflenetv2", models.shufflenet_v2_x1_0, {}, 224),
    ("efficientnet-b0", models.efficientnet_b0, {}, 224),
]


def convolution(output, arguments):
    """Each output value is a sum over one filter."""
    weight, bias = arguments[1], arguments[2]
    parameters = weight.numel() + (0 if bias is None else bias.numel())
    return "convolution", parameters, output.numel() // output.shape[0] * weight[0].numel()


def linear(output, arguments):
    """`addmm(bias, input, transposed weight)`"""
    bias, weight = arguments[0], arguments[2]
    return "linear", weight.numel() + bias.numel(), weight.numel()


def batch_norm(output, arguments):
    return "batch norm", arguments[1].numel() + arguments[2].numel(), 0


def word(name):
    return lambda output, arguments: (name, 0, 0)


def concat(output, arguments):
    """torchvision's DenseNet also joins one tensor with nothing."""
    return None if len(arguments[0]) == 1 else ("concat", 0, 0)


def adaptive(output, arguments):
    """torchvision's AlexNet and VGG have a pool that changes nothing at their own size."""
    return None if output.shape == arguments[0].shape else ("average pool", 0, 0)


# Operations of PyTorch's dispatcher; those that move values only (views, copies) have no row.
OPERATIONS = {
    "convolution": convolution,
    "addmm": linear,
    "native_batch_norm": batch_norm,
    "cudnn_batch_norm": batch_norm,
    "max_pool2d_with_indices": word("max pool"),
    "avg_pool2d": word("average pool"),
    "mean": word("average pool"),
    "_adaptive_avg_pool2d": adaptive,
    "relu": word("relu"),
    "hardtanh": word("relu6"),
    "silu": word("silu"),
    "hardswish": word("hardswish"),
    "hardsigmoid": word("hardsigmoid"),
    "sigmoid": word("sigmoid"),
    "add": word("add"),
    "mul": word("mul"),
    "cat": concat,
}
MOVES = {"t", "view", "_unsafe_view", "transpose", "clone", "split", "detach", "_reshape_alias", "reshape", "empty_like"}


def shape_text(tensor):
    """`64@112x112`, or `1000` for a vector; without the batch. A mean over height and width leaves maps of 1x1."""
    sides = list(tensor.shape[1:])
    return str(sides[0]) if len(sides) == 1 else f"{sides[0]}@{sides[1]}x{sides[2]}"


class Recorder(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.rows = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        name = function.overloadpacket.__name__.rstrip("_")
        # Counting batches, `num_batches_tracked += 1`, is no layer.
        output = result[0] if isinstance(result, (tuple, list)) else result
        if name in MOVES or output.dim() < 2:
            return result
        row = OPERATIONS[name](output, arguments)
        if row is not None:
            operation, parameters, multiply_adds = row
            text = shape_text(output)
            if name == "mean" and "@" not in text:
                text += "@1x1"
            self.rows.append([operation, text, parameters, multiply_adds])
        return result


def network_case(name, build, arguments, side):
    network = build(weights=None, **arguments).eval().to("meta")
    recorder = Recorder()
    picture = torch.empty(1, 3, side, side, device="meta")
    with torch.no_grad(), recorder:
        network(picture)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert parameters == sum(row[2] for row in recorder.rows), name
    return {"network": name, "torchvision": build.__name__, "input": f"3@{side}x{side}", "layers": recorder.rows}


def network_cases():
    return [network_case(*row) for row in NETWORKS]
