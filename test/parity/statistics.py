"""Means, spreads and bootstrap percentile intervals by numpy, for test/unit/report/bootstrap.test.ts. Writes stored/statistics.json."""

import json
from pathlib import Path

import numpy

RESAMPLES = 2_000_000
generator = numpy.random.default_rng(20261125)


def case(values):
    values = numpy.round(numpy.asarray(values), 6)
    means = generator.choice(values, size=(RESAMPLES, len(values))).mean(axis=1)
    low, high = numpy.percentile(means, [2.5, 97.5])
    mean, deviation = values.mean(), values.std(ddof=1)
    return {"values": values.tolist(), "mean": mean, "deviation": deviation, "low": low, "high": high}


cases = [
    case(generator.normal(-0.1, 0.05, 5)),
    case(generator.normal(0.0, 1.0, 10)),
    case(generator.lognormal(0.0, 1.0, 30)),
]
text = json.dumps(cases, indent=2)
Path(__file__).with_name("stored").joinpath("statistics.json").write_text(text + "\n")
