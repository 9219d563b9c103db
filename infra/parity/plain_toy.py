"""The 2D example's training in plain PyTorch, eager, from the paper (arXiv 2406.02507, section 3 and appendix C): what
toy_speed.py times beside `fidelis-worker toy train`, and checks against recorded iterations first."""

import argparse
import math

import numpy as np
import torch
import torch.nn.functional as F

SCALE = np.array([1.3136, 1.3844])


def grow(random, components, origin, angle, depth):
    """Appends a branch's eight (weight, mean, covariance) and those of all that grow from its end."""
    turn = random.randn()
    length = 0.292 * 0.8**depth * (0.2 * turn + 1)
    thick = 0.2 * 0.8**depth / length
    direction = np.array([math.cos(angle), math.sin(angle)])
    size = SCALE * length * 0.06
    along = np.outer(direction, direction)
    covariance = (along + (np.eye(2) - along) * thick**2) * np.outer(size, size)
    for t in np.linspace(0.07, 0.93, 8):
        components.append((length * 0.5**depth, (origin + direction * length * t) * SCALE, covariance))
    for sign in (1, -1):
        bend = angle + sign * 0.7**depth * (0.2 * random.randn() + 1)
        if depth < 6:
            grow(random, components, origin + direction * length, bend, depth + 1)


class Mixture:
    """Class A."""

    def __init__(self):
        components = []
        grow(np.random.RandomState(2), components, np.array([0.0030, 0.0325]), math.pi / 4, 0)
        weight, mean, covariance = (torch.tensor(np.array(part)) for part in zip(*components))
        variance, axes = torch.linalg.eigh(covariance)
        self.weight = (weight / weight.sum()).float()
        self.mean, self.variance, self.axes = mean.float(), variance.float(), axes.float()
        self.to_axes = [self.axes[:, :, j].T.contiguous() for j in (0, 1)]
        self.middle = [(self.axes[:, :, j] * self.mean).sum(1) for j in (0, 1)]

    def score(self, x, sigma):
        noise = sigma.square()[:, None]
        offset = [x @ self.to_axes[j] - self.middle[j] for j in (0, 1)]
        variance = [self.variance[:, j] + noise for j in (0, 1)]
        pull = [offset[j] / variance[j] for j in (0, 1)]
        exponent = offset[0] * pull[0] + offset[1] * pull[1] + (variance[0] * variance[1]).log()
        share = (self.weight.log() - 0.5 * exponent).softmax(-1)
        return -((share * pull[0]) @ self.to_axes[0].T + (share * pull[1]) @ self.to_axes[1].T)

    def draw(self, count):
        picks = torch.multinomial(self.weight, count, replacement=True)
        normals = torch.randn(count, 2) * self.variance[picks].sqrt()
        return self.mean[picks] + torch.einsum("nij,nj->ni", self.axes[picks], normals)


def normalize(weight):
    return weight / (weight.norm(dim=1, keepdim=True) / math.sqrt(weight.shape[1]) + 1e-4)


class Net(torch.nn.Module):
    def __init__(self, dim, layers=4):
        super().__init__()
        widths = [4] + [dim] * layers
        self.layers = torch.nn.ParameterList([torch.randn(dim, width) for width in widths])
        self.gain = torch.nn.Parameter(torch.zeros([]))

    def log_density(self, x, sigma):
        sigma = sigma[:, None]
        x = x / (0.25 + sigma.square()).sqrt()
        y = torch.cat([x, sigma.log() / 4, torch.ones_like(sigma)], dim=1)
        for i, weight in enumerate(self.layers):
            if i > 0:
                y = F.silu(y) / 0.596
            y = y @ (normalize(weight) / math.sqrt(weight.shape[1])).T
        return y.square().mean(1) * self.gain / sigma[:, 0] - 0.5 * x.square().sum(1)

    def score(self, x, sigma):
        x = x.detach().requires_grad_()
        return torch.autograd.grad(self.log_density(x, sigma).sum(), x, create_graph=True)[0]


class Trainer:
    def __init__(self, net, ema=0.010):
        self.truth, self.net, self.iteration = Mixture(), net, 0
        self.optimizer = torch.optim.Adam(net.parameters(), betas=(0.9, 0.99), eps=1e-8)
        self.average = [p.detach().clone() for p in net.parameters()]
        self.gamma = max(np.roots([1, 7, 16 - ema**-2, 12 - ema**-2]).real)

    def step(self, x, sigma):
        with torch.no_grad():
            target = self.truth.score(x, sigma)
            for weight in self.net.layers:
                weight.copy_(normalize(weight))
        error = (target - self.net.score(x, sigma)) * sigma[:, None]
        loss = error.square().mean()
        for group in self.optimizer.param_groups:
            group["lr"] = 0.01 / math.sqrt(max(self.iteration / 512, 1))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.iteration += 1
        with torch.no_grad():
            beta = (1 - 1 / self.iteration) ** (self.gamma + 1)
            for average, weight in zip(self.average, self.net.parameters()):
                average.lerp_(weight, 1 - beta)
        return loss.item()

    def advance(self, batch=4096):
        sigma = (torch.randn(batch) * 1.5 - 2.3).exp()
        return self.step(self.truth.draw(batch) + torch.randn(batch, 2) * sigma[:, None], sigma)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dim", type=int, required=True)
    parser.add_argument("--iterations", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    # Most exponentials come to nothing; without this they are slow.
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    trainer = Trainer(Net(args.dim))
    for _ in range(args.iterations):
        trainer.advance()


if __name__ == "__main__":
    main()
