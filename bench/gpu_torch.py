#!/usr/bin/python3
"""The workloads of bench/gpu.ts in PyTorch: python3 bench/gpu_torch.py WORKLOAD, the JSON that bench/gpu_workloads.ts describes.

Float32 without TF32, on CUDA where there is a device, else on the CPU. Prints one line of JSON.
"""

import json
import math
import sys
import time

import torch
import torch.nn.functional as functional
from torch import nn

WARM_UP, BUDGET, LEAST, MOST = 0.4, 2.0, 3, 300
BATCH_SECONDS = 0.3
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False


def values(shape, seed):
    """Numbers in [-1, 1), the same in every language."""
    whole = torch.arange(math.prod(shape), dtype=torch.int32, device=DEVICE) % 1021 * (7919 + seed) % 1024
    return (whole.to(torch.float32) * (1 / 512) - 1).reshape(shape)


def classes(count):
    return torch.arange(count, device=DEVICE) % 10


def prepare(workload):
    kind = workload["kind"]
    if kind == "matmul":
        dtype = getattr(torch, workload["dtype"])
        a, b = (values((workload["size"],) * 2, seed).to(dtype) for seed in (1, 2))
        return lambda: a @ b
    if kind == "map":
        x = values((workload["megabytes"] * 2**18,), 3)
        return lambda: x * 2
    if kind == "softmax":
        x = values((workload["rows"], workload["columns"]), 4)
        return lambda: x.softmax(-1)
    return {"conv": convolution, "resnet": training, "supcon": contrastive}[kind](workload)


def convolution(workload):
    image = (workload["batch"], workload["channels"], workload["size"], workload["size"])
    x = values(image, 5).requires_grad_()
    weight = values((workload["channels"], workload["channels"], 3, 3), 6).requires_grad_()
    gradient = values(image, 7)

    def run():
        x.grad = weight.grad = None
        functional.conv2d(x, weight, padding=1).backward(gradient)
        return weight.grad

    return run


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        short = stride == 1 and inputs == outputs
        self.around = nn.Identity() if short else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        first = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(first)) + self.around(x)).relu()


def resnet18(width):
    """ResNet-18 with a stem for images of 32 × 32."""
    layers = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    inputs = width
    for stage in range(4):
        outputs = width * 2**stage
        layers += [Block(inputs, outputs, 1 if stage == 0 else 2), Block(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


def training(workload):
    model = resnet18(workload["width"]).to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x = values((workload["batch"], 3, 32, 32), 8)
    labels = classes(workload["batch"])

    def run():
        optimizer.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def contrastive(workload):
    rows = workload["rows"]
    features = values((rows, workload["columns"]), 9).requires_grad_()
    labels = classes(rows)
    itself = torch.eye(rows, dtype=torch.bool, device=DEVICE)
    positives = (labels[:, None] == labels[None, :]) & ~itself
    counts = positives.sum(1)

    def run():
        features.grad = None
        z = functional.normalize(features, dim=1)
        logits = (z @ z.T / 0.1).masked_fill(itself, -math.inf)
        logs = logits - logits.logsumexp(1, keepdim=True)
        loss = -(logs.masked_fill(~positives, 0).sum(1) / counts).mean()
        loss.backward()
        return loss.detach()

    return run


def batch(run, count):
    """Milliseconds of one of several runs that end with a read."""
    start = time.perf_counter()
    for _ in range(count):
        out = run()
    out.flatten()[0].item()
    return (time.perf_counter() - start) * 1000 / count


def main(workload):
    run = prepare(workload)
    run()
    check = run().flatten()[0].item()
    count = max(1, math.ceil(BATCH_SECONDS * 1000 / batch(run, 2)))
    warm = time.perf_counter() + WARM_UP
    while time.perf_counter() < warm:
        batch(run, count)
    times, end = [], time.perf_counter() + BUDGET
    while len(times) < LEAST or (len(times) < MOST and time.perf_counter() < end):
        times.append(batch(run, count))
    times.sort()
    line = {"peer": f"torch {DEVICE}", "workload": workload["name"], "median": times[len(times) // 2], "fastest": times[0]}
    print(json.dumps({**line, "runs": len(times) * count, "check": check}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
