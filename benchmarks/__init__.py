"""What Lanner costs, as ratios within one run: `python -m benchmarks`."""
