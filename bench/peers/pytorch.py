#!/usr/bin/python3
"""The workloads in PyTorch on the CPU: python3 bench/peers/pytorch.py THREADS [PATTERN].

The file is not called torch.py, since it would then import itself. Data, timing and output are those of bench/harness.ts.
"""

import time

START = time.perf_counter()

import json
import math
import re
import sys

import numpy
import torch
import torch.nn.functional as functional

WARM_UP, BUDGET, LEAST, MOST = 0.4, 2.0, 3, 300


def uniform(count, seed, scale=1.0):
    """The numbers that the harness makes from this seed, as float32."""
    bits = numpy.arange(count, dtype=numpy.uint64) + numpy.uint64(seed * 0x9E3779B9 & 0xFFFFFFFF)
    bits = bits.astype(numpy.uint32)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        bits = (bits ^ (bits >> numpy.uint32(shift))) * numpy.uint32(factor)
    bits ^= bits >> numpy.uint32(16)
    return ((bits / 2**31 - 1) * scale).astype(numpy.float32)


def values(shape, seed, scale=1.0):
    return torch.from_numpy(uniform(math.prod(shape), seed, scale).reshape(shape))


def measure(name, prepare):
    """Times what `prepare` gives as (run, check) and prints one line of JSON."""
    run, check = prepare()
    value = check()
    times = [(time.perf_counter() - START) * 1000] if name == "startup" else repeat(run)
    peer = f"torch-{torch.get_num_threads()}"
    line = {"peer": peer, "workload": name, "median": times[len(times) // 2], "fastest": times[0], "runs": len(times), "check": value}
    print(json.dumps(line), flush=True)


def repeat(run):
    """Milliseconds of each repetition after a warm-up, sorted; where one takes longer than the whole budget, it is the first of three."""
    warm = time.perf_counter() + WARM_UP
    while time.perf_counter() < warm:
        taken = once(run)
        if taken > BUDGET * 1000:
            return sorted([taken, once(run), once(run)])
    times, end = [], time.perf_counter() + BUDGET
    while len(times) < LEAST or (len(times) < MOST and time.perf_counter() < end):
        times.append(once(run))
    return sorted(times)


def once(run):
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000


def pure(f, probe):
    """A function without state, and the element by which it is checked."""
    return f, lambda: f()[probe].item()


def matmul(size):
    a, b = values((size, size), 100), values((size, size), 101)
    return pure(lambda: a @ b, (3, 5))


def first_product():
    x = values((256, 256), 100)
    return pure(lambda: x @ x, (3, 5))


def elementwise():
    x = values((4_000_000,), 102)

    def f():
        y = torch.relu(x * 2 + 1)
        return y - y.mean()

    return pure(f, 5)


def rows(f, probe):
    x = values((4096, 1024), 103)
    return pure(lambda: f(x), probe)


def convolution_forward():
    x, weight = values((32, 16, 32, 32), 104), values((32, 16, 3, 3), 105)
    return pure(lambda: functional.conv2d(x, weight, padding=1), (1, 2, 3, 4))


def convolution_backward():
    x, weight = values((32, 16, 32, 32), 104).requires_grad_(), values((32, 16, 3, 3), 105).requires_grad_()
    gradient = values((32, 32, 32, 32), 106)

    def f():
        return torch.autograd.grad(functional.conv2d(x, weight, padding=1), (x, weight), gradient)[1]

    return pure(f, (2, 3, 1, 1))


def dense(inputs, outputs, seed):
    """A linear layer; PyTorch keeps its weight as [out, in]."""
    weight = values((inputs, outputs), seed, 1 / math.sqrt(inputs)).t().contiguous()
    return start(torch.nn.Linear(inputs, outputs), weight)


def convolution(inputs, outputs, seed):
    weight = values((outputs, inputs, 3, 3), seed, 1 / math.sqrt(inputs * 9))
    return start(torch.nn.Conv2d(inputs, outputs, 3, padding=1), weight)


def start(layer, weight):
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.zero_()
    return layer


def mlp():
    relu = torch.nn.ReLU
    model = torch.nn.Sequential(dense(784, 512, 2), relu(), dense(512, 256, 3), relu(), dense(256, 10, 4))
    return model, values((128, 784), 1)


def cnn():
    relu, pool = torch.nn.ReLU, torch.nn.MaxPool2d
    convolutions = [convolution(1, 32, 10), relu(), pool(2), convolution(32, 64, 11), relu(), pool(2)]
    model = torch.nn.Sequential(*convolutions, torch.nn.Flatten(), dense(3136, 128, 12), relu(), dense(128, 10, 13))
    return model, values((64, 1, 28, 28), 5)


class Block(torch.nn.Module):
    """Two 3×3 convolutions with batch norm, added to their input."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = convolution_of(inputs, outputs, stride)
        self.conv2, self.bn2 = convolution_of(outputs, outputs, 1)
        fits = stride == 1 and inputs == outputs
        self.downsample = torch.nn.Identity() if fits else torch.nn.Sequential(*convolution_of(inputs, outputs, stride, 1))

    def forward(self, x):
        first = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(first)) + self.downsample(x))


def convolution_of(inputs, outputs, stride, size=3):
    return torch.nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), torch.nn.BatchNorm2d(outputs)


def joint():
    """ResNet-18 for small images with a projection and the joint contrastive loss."""
    stem, norm = convolution_of(3, 64, 1)
    stages = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
    blocks = [block for inputs, outputs, stride in stages for block in (Block(inputs, outputs, stride), Block(outputs, outputs, 1))]
    head = [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(512, 128)]
    model = torch.nn.Sequential(stem, norm, torch.nn.ReLU(), *blocks, *head)
    prototypes = torch.nn.Parameter(torch.empty(10, 128))
    parameters = [*model.parameters(), prototypes]
    with torch.no_grad():
        for position, weight in enumerate(weight for weight in parameters if weight.dim() > 1):
            weight.copy_(values(weight.shape, 200 + position, 1 / math.sqrt(weight[0].numel())))
        head[-1].bias.zero_()
    x = values((64, 3, 32, 32), 6)
    labels = torch.arange(64) % 10
    update = torch.optim.SGD(parameters, lr=0.05)

    def step():
        update.zero_grad(set_to_none=True)
        loss = e_sup_con(model(x), labels, prototypes)
        loss.backward()
        update.step()
        return loss.item()

    return step, lambda: [step() for _ in range(2)][-1]


def e_sup_con(z, labels, prototypes, temperature=0.1):
    """Samples see the other samples and the prototypes, prototypes of present classes see the samples."""
    z, w = functional.normalize(z), functional.normalize(prototypes)
    itself = torch.eye(len(z), dtype=torch.bool)
    among_samples, among_prototypes = z @ z.t() / temperature, z @ w.t() / temperature
    truth = functional.one_hot(labels, len(w)).float()
    counts = truth.sum(0)
    candidates = torch.cat([among_samples.masked_fill(itself, -math.inf), among_prototypes], 1)
    same = (labels[:, None] == labels[None]) & ~itself
    positives = torch.where(same, among_samples, 0.0).sum(1) + (truth * among_prototypes).sum(1)
    samples = torch.logsumexp(candidates, 1) - positives / counts[labels]
    of_prototypes = torch.logsumexp(among_prototypes, 0) - (truth * among_prototypes).sum(0) / counts.clamp(min=1)
    present = counts > 0
    return (samples.sum() + of_prototypes[present].sum()) / (len(z) + present.sum())


def training(make, optimizer, rate):
    model, x = make()
    labels = torch.arange(len(x)) % 10
    update = optimizer(model.parameters(), lr=rate)

    def step():
        update.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(model(x), labels)
        loss.backward()
        update.step()
        return loss.item()

    return step, lambda: [step() for _ in range(3)][-1]


def contrastive():
    count, width = 512, 128
    values_ = uniform(count * width, 50).reshape(count, width).astype(numpy.float64)
    features = values_ / numpy.linalg.norm(values_, axis=1, keepdims=True)
    features = torch.from_numpy(features.astype(numpy.float32)).requires_grad_()
    labels = torch.arange(count) % 10
    itself = torch.eye(count)
    positives = (labels[:, None] == labels[None]).float() - itself
    positives /= positives.sum(1, keepdim=True)

    def f():
        similarities = features @ features.t() / 0.1
        candidates = torch.logsumexp(similarities - 1e9 * itself, 1, keepdim=True)
        loss = -(positives * (similarities - candidates)).sum() / count
        torch.autograd.grad(loss, features)
        return loss.item()

    return f, f


def dispatch():
    a, b = values((16,), 107), values((16,), 108)

    def f():
        total = a
        for _ in range(1000):
            total = total + b
        return total[0].item()

    return f, f


WORKLOADS = {
    **{f"matmul{size}": lambda size=size: matmul(size) for size in (256, 512, 1024, 2048)},
    "eltwise4M": elementwise,
    "sum4096x1024": lambda: rows(lambda x: x.sum(-1), 7),
    "softmax4096x1024": lambda: rows(lambda x: torch.softmax(x, -1), (7, 9)),
    "conv_fwd": convolution_forward,
    "conv_fwdbwd": convolution_backward,
    "mlp_sgd": lambda: training(mlp, torch.optim.SGD, 0.05),
    "mlp_adam": lambda: training(mlp, torch.optim.Adam, 1e-3),
    "cnn_sgd": lambda: training(cnn, torch.optim.SGD, 0.05),
    "supcon": contrastive,
    "esupcon_resnet18": joint,
    "dispatch1000": dispatch,
    "startup": first_product,
}


def main(workloads):
    """Measures the workloads that the command line names, with as many threads as it says."""
    torch.set_num_threads(int(sys.argv[1]))
    only = re.compile(sys.argv[2] if len(sys.argv) > 2 else "")
    for name, prepare in workloads.items():
        if only.search(name):
            measure(name, prepare)


if __name__ == "__main__":
    main(WORKLOADS)
