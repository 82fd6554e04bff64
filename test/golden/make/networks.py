"""The networks of training.jsonl: the `.cnn` text, the same network in PyTorch, the recipe.

What holds: parameter names are PyTorch's (`conv1.weight`), as the children are named by word and number.
"""

from collections import OrderedDict

from torch import nn

from optimizers import ADAM, SGD

LENET = """model LeNet {
  input 3@32x32
  conv 6@5x5 -> bn -> relu -> pool max 2
  conv 16@5x5 -> bn -> relu -> pool max 2
  fc 120 -> relu
  fc 84 -> relu
  fc 10
}
"""

STRIDED = """model Strided {
  input 3@17x15
  conv 8@3x3 pad same bias off -> bn -> leaky_relu 0.1 -> pool avg 2
  conv 16@3x3 stride 2 pad 1 groups 4 bias off -> bn -> leaky_relu 0.1
  dropout 0
  conv 12@2x2 pad same -> leaky_relu 0.1
  pool avg global
  fc 10
}
"""


def lenet():
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 6, 5), bn1=nn.BatchNorm2d(6), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(6, 16, 5), bn2=nn.BatchNorm2d(16), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2),
            flatten1=nn.Flatten(), fc1=nn.Linear(400, 120), relu3=nn.ReLU(), fc2=nn.Linear(120, 84), relu4=nn.ReLU(),
            fc3=nn.Linear(84, 10),
        )
    )


def strided():
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 8, 3, padding="same", bias=False), bn1=nn.BatchNorm2d(8), leaky_relu1=nn.LeakyReLU(0.1),
            pool1=nn.AvgPool2d(2),
            conv2=nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=4, bias=False), bn2=nn.BatchNorm2d(16),
            leaky_relu2=nn.LeakyReLU(0.1), dropout1=nn.Dropout(0.0),
            conv3=nn.Conv2d(16, 12, 2, padding="same"), leaky_relu3=nn.LeakyReLU(0.1),
            pool2=nn.AdaptiveAvgPool2d(1), flatten1=nn.Flatten(), fc1=nn.Linear(12, 10),
        )
    )


# `undetermined`: a bias before batch normalisation has a gradient of zero; what is computed is rounding noise, which
# Adam scales up to whole steps of any sign, and the running mean follows that bias. SGD leaves noise small, and so
# does Adam with an epsilon far above it: these two runs hold the whole network tightly.
NETWORKS = [
    {
        "name": "lenet", "program": LENET, "build": lenet, "input": (3, 32, 32), "steps": 20, "batch": 64,
        "optimizer": ADAM, "smoothing": 0.0,
        "undetermined": ("conv1.bias", "conv2.bias", "bn1.running_mean", "bn2.running_mean"),
    },
    {
        "name": "lenet-adam-large-epsilon", "program": LENET, "build": lenet, "input": (3, 32, 32), "steps": 20,
        "batch": 64, "optimizer": {**ADAM, "epsilon": 0.01}, "smoothing": 0.0, "undetermined": (),
    },
    {
        "name": "lenet-sgd", "program": LENET, "build": lenet, "input": (3, 32, 32), "steps": 20, "batch": 64,
        "optimizer": {**SGD, "learningRate": 0.05, "momentum": 0.9}, "smoothing": 0.0, "undetermined": (),
    },
    {
        "name": "strided", "program": STRIDED, "build": strided, "input": (3, 17, 15), "steps": 10, "batch": 7,
        "optimizer": {**SGD, "learningRate": 0.05, "momentum": 0.9, "nesterov": True, "decay": 5e-4},
        "smoothing": 0.1, "undetermined": (),
    },
]
