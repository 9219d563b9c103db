"""Why guidance loses branches in the 2D example: the exact score in D₁'s place, guided away from itself at more noise and
from D₀s that plain_toy.py trains. Prints shares of samples, in percent: outside, branches reached, misplaced, and by depth."""

import argparse
import math

import torch

import plain_toy

OUTLINE = -1.8747
WEIGHT = 3
SIGMA_MIN, SIGMA_MAX, RHO, STEPS = 0.002, 5, 7, 32


def depths(depth=0):
    """Of the branches, in the order in which plain_toy.grow makes them."""
    return [depth] + 2 * depths(depth + 1) if depth < 6 else [depth]


class Truth(plain_toy.Mixture):
    def at(self, x, sigma):
        """The score at one noise level."""
        return torch.cat([self.score(part, torch.full((len(part),), sigma)) for part in x.split(2048)])

    def judge(self, x):
        """Log-density and branch of each point."""
        logs, branches = [], []
        for part in x.split(2048):
            offset = [part @ self.to_axes[j] - self.middle[j] for j in (0, 1)]
            exponent = sum(offset[j] ** 2 / self.variance[:, j] + self.variance[:, j].log() for j in (0, 1))
            share = self.weight.log() - 0.5 * exponent
            logs.append(share.logsumexp(1) - math.log(2 * math.pi))
            branches.append(share.argmax(1) // 8)
        return torch.cat(logs), torch.cat(branches)


def net_of(trainer):
    """The score of what training came to, its average."""
    net = plain_toy.Net(trainer.net.layers[1].shape[0])
    with torch.no_grad():
        for parameter, average in zip(net.parameters(), trainer.average):
            parameter.copy_(average)
    return lambda x, sigma: net.score(x, torch.full((len(x),), sigma)).detach()


def guided(main, guide):
    def score(x, sigma):
        away = guide(x, sigma)
        return away + WEIGHT * (main(x, sigma) - away)

    return score


def sample(score, x):
    """Heun's method, as `fidelis-worker toy sample`."""
    ends = SIGMA_MAX ** (1 / RHO), SIGMA_MIN ** (1 / RHO)
    sigmas = [(ends[0] + i / (STEPS - 1) * (ends[1] - ends[0])) ** RHO for i in range(STEPS)] + [0]
    for sigma, lower in zip(sigmas, sigmas[1:]):
        slope = -sigma * score(x, sigma)
        moved = x + (lower - sigma) * slope
        if lower > 0:
            moved = x + (lower - sigma) * (slope - lower * score(moved, lower)) / 2
        x = moved
    return x


def report(name, truth, x):
    log_density, branch = truth.judge(x)
    promised = truth.weight.reshape(-1, 8).sum(1)
    found = torch.bincount(branch, minlength=len(promised)) / len(x)
    by_depth = torch.zeros(7).index_add(0, torch.tensor(depths()), found)
    numbers = [(log_density < OUTLINE).float().mean(), (found >= promised / 2).float().mean(), (found - promised).clamp(min=0).sum()]
    words = [f"{100 * number:5.1f}" for number in [*numbers, *by_depth]]
    print(f"{name:<34} outside {words[0]} · reached {words[1]} · misplaced {words[2]} · by depth {' '.join(words[3:])}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=8192)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of the D₀s")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    truth = Truth()
    torch.manual_seed(0)
    start = truth.draw(args.points) + SIGMA_MAX * torch.randn(args.points, 2)
    report("drawn", truth, truth.draw(args.points))
    report("exact score", truth, sample(truth.at, start))
    for more in (0.02, 0.05):
        blurred = lambda x, sigma: truth.at(x, math.hypot(sigma, more))
        report(f"away from the truth blurred by {more}", truth, sample(guided(truth.at, blurred), start))
    for seed in args.seeds:
        torch.manual_seed(seed)
        trainer = plain_toy.Trainer(plain_toy.Net(32))
        for _ in range(512):
            trainer.advance()
        net = net_of(trainer)
        report(f"D0 of seed {seed} alone", truth, sample(net, start))
        report(f"exact score away from D0 of seed {seed}", truth, sample(guided(truth.at, net), start))


if __name__ == "__main__":
    main()
