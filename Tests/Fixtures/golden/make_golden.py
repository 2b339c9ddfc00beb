"""Writes the golden values and gradients that the Swift tests compare with: python make_golden.py

Needs torch, numpy and safetensors. Same versions, same bytes; a new case moves no other. See golden_support.py
for the format.
"""

import warnings

import torch

import golden_convolutions
import golden_losses
import golden_optimizers
import golden_pointwise
import golden_spatial
from golden_support import Cases

LIMIT = 1_500_000


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    warnings.simplefilter("ignore")
    made_with = f"torch {torch.__version__.split('+')[0]}, float64, written by make_golden.py"
    operations = Cases("operations", "values and gradients of every operation and loss; " + made_with)
    for part in (golden_convolutions, golden_spatial, golden_pointwise, golden_losses):
        part.add(operations)
    optimizers = Cases("optimizers", "parameters after each of ten steps, clipping, averages; " + made_with)
    golden_optimizers.add_optimizers(optimizers)
    schedules = Cases("schedules", "learning rates of steps 0...50, plateau: after each loss; " + made_with)
    golden_optimizers.add_schedules(schedules)
    total = operations.write() + optimizers.write() + schedules.write()
    print(f"total {total} bytes")
    assert total < LIMIT


if __name__ == "__main__":
    main()
