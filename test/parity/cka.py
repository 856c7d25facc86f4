"""Linear CKA (arXiv 1905.00414, section 3) of some matrices by numpy in float64, for test/engine/pruned.test.ts. Writes stored/cka.json.

By Gram matrices: HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) with centred K = X X^T, not by the covariances that the program takes.
"""

import json
from pathlib import Path

import numpy

generator = numpy.random.default_rng(20261125)
ROWS, COLUMNS = 20, 6
base = generator.normal(2.0, 1.0, (ROWS, COLUMNS))
rotation, _ = numpy.linalg.qr(generator.normal(size=(COLUMNS, COLUMNS)))
matrices = [
    base,
    3.0 * base @ rotation - 5.0,
    base + generator.normal(0.0, 0.5, (ROWS, COLUMNS)),
    generator.normal(0.0, 1e-3, (ROWS, COLUMNS)),
]
matrices = [numpy.float32(numpy.round(matrix, 6)).astype(float) for matrix in matrices]
centre = numpy.eye(ROWS) - 1.0 / ROWS


def hsic(one, other):
    return numpy.trace(centre @ one @ one.T @ centre @ other @ other.T)


cka = [[hsic(x, y) / numpy.sqrt(hsic(x, x) * hsic(y, y)) for y in matrices] for x in matrices]
content = {"shape": [ROWS, COLUMNS], "matrices": [matrix.ravel().tolist() for matrix in matrices], "cka": cka}
Path(__file__).with_name("stored").joinpath("cka.json").write_text(json.dumps(content) + "\n")
