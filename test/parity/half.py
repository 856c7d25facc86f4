"""Numbers rounded to float16 by numpy, for test/unit/offload/encode.test.ts. Writes stored/half.json.

Random numbers of every magnitude that float16 has, below and beyond it, and numbers in the middle between two float16 numbers, where ties
go to the even one.
"""

import json
from pathlib import Path

import numpy

generator = numpy.random.default_rng(20261126)
spread = generator.normal(size=300) * 2.0 ** generator.integers(-28, 18, size=300)
every = numpy.arange(0, 0x7C00, 37, dtype=numpy.uint16)
below = every.view(numpy.float16).astype(numpy.float64)
above = (every + 1).view(numpy.float16).astype(numpy.float64)
ties = (below + numpy.where(numpy.isfinite(above), above, 65536.0)) / 2
values = numpy.concatenate([spread, below, ties, -ties, [0.0, -0.0, 65504.0, 65519.99, 65520.0, 1e30]])
values = values.astype(numpy.float32)
with numpy.errstate(over="ignore"):
    halves = values.astype(numpy.float16)
content = {
    "floatBits": values.view(numpy.uint32).tolist(),
    "halfBits": halves.view(numpy.uint16).tolist(),
    "backBits": halves.astype(numpy.float32).view(numpy.uint32).tolist(),
}
Path(__file__).with_name("stored").joinpath("half.json").write_text(json.dumps(content) + "\n")
