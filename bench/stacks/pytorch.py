"""PyTorch, as a process that answers requests line by line: `python3 pytorch.py FOLDER` (bench/protocol.ts).

In: a task's folder and, in the task's options, a layout. Out: replies. What holds: the network is built from the task's
layers, eager, with the same first weights and batches as every other stack.
"""

import json
import os
import resource
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

MARK = "cnnc-bench "


def read_safetensors(path):
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[begin:end], dtype=np.float32).copy()
        tensors[name] = torch.from_numpy(values).reshape(entry["shape"])
    return tensors


def symmetric(padding):
    if padding["top"] != padding["bottom"] or padding["left"] != padding["right"]:
        raise ValueError("it has no one-sided padding here")
    return (padding["top"], padding["left"])


def conv(layer):
    a = layer["attributes"]
    channels = layer["inputShapes"][0]["channels"]
    return nn.Conv2d(channels, a["outChannels"], a["kernel"], a["stride"], symmetric(a["padding"]), a["dilation"],
                     a["groups"], a["bias"])


def fc(layer):
    shape = layer["inputShapes"][0]
    a = layer["attributes"]
    return nn.Linear(shape["channels"] * shape["height"] * shape["width"], a["outFeatures"], a["bias"])


def batch_norm(layer):
    a = layer["attributes"]
    return nn.BatchNorm2d(layer["outputShape"]["channels"], eps=a["epsilon"], momentum=a["momentum"])


def activation(layer):
    if layer["attributes"]["function"] != "relu":
        raise ValueError("it has no " + layer["attributes"]["function"] + " here")
    return nn.ReLU()


def max_pool(layer):
    a = layer["attributes"]
    return nn.MaxPool2d(a["kernel"], a["stride"], symmetric(a["padding"]))


def average_pool(layer):
    a = layer["attributes"]
    return nn.AvgPool2d(a["kernel"], a["stride"], symmetric(a["padding"]))


MODULES = {
    "conv": conv,
    "fc": fc,
    "batchNorm": batch_norm,
    "activation": activation,
    "maxPool": max_pool,
    "averagePool": average_pool,
    "flatten": lambda layer: nn.Flatten(),
    "add": lambda layer: None,
}


class Network(nn.Module):
    """The layers of a checked model, each reading the values of earlier ones."""

    def __init__(self, model):
        super().__init__()
        self.layers = [(layer["id"], layer["kind"], layer["name"].replace(".", "_"), layer["inputs"])
                       for layer in model["layers"]]
        self.output = model["output"]
        for layer, (_, kind, name, _) in zip(model["layers"], self.layers):
            if kind not in MODULES:
                raise ValueError("it has nothing for " + layer["text"])
            module = MODULES[kind](layer)
            if module is not None:
                self.add_module(name, module)

    def forward(self, images):
        values = {-1: images}
        for number, kind, name, inputs in self.layers:
            given = [values[i] for i in inputs]
            if kind == "add":
                values[number] = sum(given[1:], given[0])
            else:
                values[number] = getattr(self, name)(torch.flatten(given[0], 1) if kind == "fc" else given[0])
        return values[self.output]

    def load(self, model, tensors):
        state = self.state_dict()
        for layer, (_, _, name, _) in zip(model["layers"], self.layers):
            for parameter in layer["parameters"]:
                state[name + "." + parameter["name"]].copy_(tensors[parameter["path"]])


class Stack:
    def __init__(self, folder):
        self.task = json.load(open(os.path.join(folder, "task.json")))
        torch.set_num_threads(self.task["threads"])
        model, recipe = self.task["model"], self.task["recipe"]
        self.layout = self.task["options"].get("layout", "contiguous")
        shape = model["input"]
        bytes_ = np.fromfile(os.path.join(folder, "images.u8"), dtype=np.uint8)
        images = torch.from_numpy(bytes_.reshape(-1, shape["channels"], shape["height"], shape["width"])).float() / 255
        mean, std = (torch.tensor(recipe["normalize"][key]).reshape(1, -1, 1, 1) for key in ("mean", "std"))
        self.images = (images - mean) / std
        self.labels = torch.from_numpy(np.fromfile(os.path.join(folder, "labels.u8"), dtype=np.uint8).astype(np.int64))
        self.network = Network(model)
        self.network.load(model, read_safetensors(os.path.join(folder, "weights.safetensors")))
        if self.layout == "channels_last":
            self.network = self.network.to(memory_format=torch.channels_last)
            self.images = self.images.contiguous(memory_format=torch.channels_last)
        self.network.train(self.task["mode"] == "train")
        self.batch = recipe["batch"]
        self.rows = torch.arange(self.batch)
        if self.task["mode"] == "train":
            adam = recipe["optimizer"]
            if adam["kind"] != "adam" or recipe["loss"]["smoothing"] != 0:
                raise ValueError("it is trained here with Adam and plain cross entropy alone")
            self.optimizer = torch.optim.Adam(self.network.parameters(), lr=adam["learningRate"],
                                              betas=(adam["beta1"], adam["beta2"]), eps=adam["epsilon"],
                                              weight_decay=adam["decay"], foreach=True)

    def rows_of(self, step):
        return (step * self.batch + self.rows) % len(self.labels)

    def train(self, step):
        rows = self.rows_of(step)
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.network(self.images[rows]), self.labels[rows])
        loss.backward()
        self.optimizer.step()
        return loss

    def run(self, first, count, every):
        steps = range(first, first + count)
        if self.task["mode"] == "train":
            losses = [self.train(step).detach() for step in steps]
            return [float(loss) for loss in (losses if every else losses[-1:])]
        with torch.inference_mode():
            for step in steps:
                logits = self.network(self.images[self.rows_of(step)]).numpy()
        return logits.reshape(-1).tolist()

    def facts(self):
        blas = os.environ.get("CNNC_BENCH_BLAS", "its own BLAS")
        return {
            "version": torch.__version__,
            "device": f"CPU, {torch.get_num_threads()} threads, {blas}, {self.layout}",
            "processBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }


def reply(message):
    sys.stdout.write(MARK + json.dumps(message) + "\n")
    sys.stdout.flush()


def answer(stack, request):
    if request["kind"] == "facts":
        return {"kind": "facts", "facts": stack.facts()}
    started = time.perf_counter()
    values = stack.run(request["first"], request["count"], request["every"])
    return {"kind": "ran", "milliseconds": (time.perf_counter() - started) * 1000, "values": values}


def main():
    try:
        stack = Stack(sys.argv[1])
        reply({"kind": "opened"})
        for line in sys.stdin:
            reply(answer(stack, json.loads(line)))
    except Exception as problem:  # The benchmark shows the reason and goes on without this stack.
        reply({"kind": "failed", "reason": str(problem).split("\n")[0]})


main()
