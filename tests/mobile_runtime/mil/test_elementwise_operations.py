"""Operations on single elements, held against their formulas in numpy and double precision."""

import math

import numpy as np
import pytest

POSITIVE = np.linspace(0.1, 3, 12, dtype=np.float32).reshape(3, 4)
BETWEEN_ONES = np.linspace(-0.9, 0.9, 12, dtype=np.float32).reshape(3, 4)
HALVES = np.array([-2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5], np.float32)
TRUTH = np.array([True, False, True, False])
OTHER_TRUTH = np.array([True, True, False, False])
INTEGERS = np.array([7, -7, 7, -7, 0], np.int32)
DIVISORS = np.array([3, 3, -3, -3, 5], np.int32)
SIX = np.linspace(-8, 8, 24, dtype=np.float32).reshape(2, 3, 4)


def unary(operation_type, expect, x=(2, 3, 4)):
    return [(lambda mb, x: getattr(mb, operation_type)(x=x), {"x": x}, expect)]


def binary(operation_type, expect, x=(2, 3, 4), y=(3, 1)):
    return [(lambda mb, x, y: getattr(mb, operation_type)(x=x, y=y), {"x": x, "y": y}, expect)]


def compared(operation_type, expect):
    return binary(operation_type, expect, HALVES, HALVES[::-1].copy()) + binary(operation_type, expect)


erf = np.vectorize(math.erf)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gelu(x):
    return x * (1 + erf(x / math.sqrt(2))) / 2


def softmax(x, axis):
    return np.exp(x) / np.exp(x).sum(axis, keepdims=True)


def in_double(array):
    return array.astype(np.float64) if array.dtype == np.float32 else array


CASES = {
    "abs": unary("abs", np.abs) + unary("abs", np.abs, INTEGERS),
    "acos": unary("acos", np.arccos, BETWEEN_ONES),
    "asin": unary("asin", np.arcsin, BETWEEN_ONES),
    "atan": unary("atan", np.arctan),
    "atanh": unary("atanh", np.arctanh, BETWEEN_ONES),
    "ceil": unary("ceil", np.ceil),
    "cos": unary("cos", np.cos),
    "cosh": unary("cosh", np.cosh),
    "erf": unary("erf", erf),
    "exp": unary("exp", np.exp),
    "exp2": unary("exp2", lambda x: 2.0**x) + unary("exp2", lambda x: 2**x, np.arange(5, dtype=np.int32)),
    "floor": unary("floor", np.floor),
    "logical_not": unary("logical_not", np.logical_not, TRUTH),
    "round": unary("round", lambda x: np.array([-2.0, -2.0, 0.0, 0.0, 0.0, 2.0, 2.0]), HALVES),
    "sign": unary("sign", np.sign, HALVES) + unary("sign", np.sign, INTEGERS),
    "sin": unary("sin", np.sin),
    "sinh": unary("sinh", np.sinh),
    "sqrt": unary("sqrt", np.sqrt, POSITIVE),
    "square": unary("square", lambda x: x * x) + unary("square", lambda x: x * x, INTEGERS),
    "tan": unary("tan", np.tan),
    "tanh": unary("tanh", np.tanh),
    "identity": unary("identity", lambda x: x),
    "add": binary("add", lambda x, y: x + y) + binary("add", lambda x, y: x + y, INTEGERS, DIVISORS),
    "sub": binary("sub", lambda x, y: x - y),
    "mul": binary("mul", lambda x, y: x * y) + binary("mul", lambda x, y: x * y, INTEGERS, DIVISORS),
    "real_div": binary("real_div", lambda x, y: x / y),
    "floor_div": [
        *binary("floor_div", lambda x, y: np.array([2, -3, -3, 2, 0]), INTEGERS, DIVISORS),
        *binary("floor_div", lambda x, y: np.floor(x / y)),
    ],
    "mod": [
        *binary("mod", lambda x, y: np.array([1, 2, -2, -1, 0]), INTEGERS, DIVISORS),
        *binary("mod", lambda x, y: x - y * np.floor(x / y), SIX, np.full((3, 1), 2.5, np.float32)),
    ],
    "pow": binary("pow", lambda x, y: x**y, POSITIVE, (4,)),
    "maximum": binary("maximum", np.maximum),
    "minimum": binary("minimum", np.minimum),
    "equal": compared("equal", lambda x, y: x == y),
    "not_equal": compared("not_equal", lambda x, y: x != y),
    "greater": compared("greater", lambda x, y: x > y),
    "greater_equal": compared("greater_equal", lambda x, y: x >= y),
    "less": compared("less", lambda x, y: x < y),
    "less_equal": compared("less_equal", lambda x, y: x <= y),
    "logical_and": binary("logical_and", lambda x, y: x & y, TRUTH, OTHER_TRUTH),
    "logical_or": binary("logical_or", lambda x, y: x | y, TRUTH, OTHER_TRUTH),
    "logical_xor": binary("logical_xor", lambda x, y: x ^ y, TRUTH, OTHER_TRUTH),
    "cast": [
        (lambda mb, x: mb.cast(x=x, dtype="int32"), {"x": SIX}, lambda x: np.trunc(x).astype(np.int32)),
        (lambda mb, x: mb.cast(x=x, dtype="bool"), {"x": HALVES}, lambda x: x != 0),
        (lambda mb, x: mb.cast(x=x, dtype="fp16"), {"x": SIX}, lambda x: x.astype(np.float16)),
        (lambda mb, x: mb.cast(x=x, dtype="fp32"), {"x": INTEGERS}, lambda x: x.astype(np.float32)),
        (lambda mb, x: mb.cast(x=x, dtype="int8"), {"x": SIX}, lambda x: x.astype(np.int8)),
        (lambda mb, x: mb.cast(x=x, dtype="uint16"), {"x": POSITIVE}, lambda x: x.astype(np.int32)),
    ],
    "clip": [
        (lambda mb, x, a=a, b=b: mb.clip(x=x, alpha=a, beta=b), {"x": SIX}, lambda x, a=a, b=b: np.clip(x, a, b))
        for a, b in ((-0.5, 0.25), (0.0, 6.0))
    ],
    "threshold": [
        (lambda mb, x, a=a: mb.threshold(x=x, alpha=a), {"x": (3, 4)}, lambda x, a=a: np.maximum(x, a))
        for a in (0.2, -0.3)
    ],
    "inverse": [
        (lambda mb, x: mb.inverse(x=x), {"x": POSITIVE}, lambda x: 1 / (x + 1e-4)),
        (lambda mb, x: mb.inverse(x=x, epsilon=0.5), {"x": POSITIVE}, lambda x: 1 / (x + 0.5)),
    ],
    "log": [
        (lambda mb, x: mb.log(x=x), {"x": POSITIVE}, np.log),
        (lambda mb, x: mb.log(x=x, epsilon=0.5), {"x": POSITIVE}, lambda x: np.log(x + 0.5)),
        # The default epsilon keeps the logarithm of zero finite.
        (lambda mb, x: mb.log(x=x), {"x": np.zeros(3, np.float32)}, lambda x: np.full(3, -103.27893)),
    ],
    "rsqrt": [
        (lambda mb, x: mb.rsqrt(x=x), {"x": POSITIVE}, lambda x: x**-0.5),
        (lambda mb, x: mb.rsqrt(x=x, epsilon=0.5), {"x": POSITIVE}, lambda x: (x + 0.5) ** -0.5),
        (lambda mb, x: mb.rsqrt(x=x), {"x": np.zeros(3, np.float32)}, lambda x: np.full(3, 1e6)),
    ],
    "select": [
        (
            lambda mb, c, x, y: mb.select(cond=c, a=x, b=y),
            {"c": TRUTH, "x": (2, 4), "y": (2, 4)},
            lambda c, x, y: np.where(c, x, y),
        )
    ],
    "relu": unary("relu", lambda x: np.maximum(x, 0)),
    "relu6": unary("relu6", lambda x: np.clip(x, 0, 6), SIX),
    "sigmoid": unary("sigmoid", sigmoid),
    "silu": unary("silu", lambda x: x * sigmoid(x)),
    "softsign": unary("softsign", lambda x: x / (1 + np.abs(x))),
    "softplus": unary("softplus", lambda x: np.log1p(np.exp(x)), 4 * SIX),
    "softplus_parametric": [
        (
            lambda mb, x, a=a, b=b: mb.softplus_parametric(x=x, alpha=np.float32(a), beta=np.float32(b)),
            {"x": (2, 3, 4, 5)},
            lambda x, a=a, b=b: np.reshape(a, (3, 1, 1)) * np.log1p(np.exp(x * np.reshape(b, (3, 1, 1)))),
        )
        for a, b in (([1.0, 2.0, 3.0], [0.5, -1.0, 2.0]), ([0.5, -1.0, 1.0], [1.0, 1.5, 1.0]))
    ],
    "gelu": [
        (lambda mb, x: mb.gelu(x=x), {"x": SIX}, gelu),
        (lambda mb, x: mb.gelu(x=x, mode="EXACT"), {"x": SIX}, gelu),
        (
            lambda mb, x: mb.gelu(x=x, mode="TANH_APPROXIMATION"),
            {"x": SIX},
            lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
        ),
        (
            lambda mb, x: mb.gelu(x=x, mode="SIGMOID_APPROXIMATION"),
            {"x": SIX},
            lambda x: x * sigmoid(1.702 * x),
        ),
    ],
    "softmax": [
        (lambda mb, x: mb.softmax(x=x), {"x": (2, 3, 4)}, lambda x: softmax(x, -1)),
        (lambda mb, x: mb.softmax(x=x, axis=1), {"x": (2, 3, 4)}, lambda x: softmax(x, 1)),
    ],
    "elu": [
        (lambda mb, x, a=a: mb.elu(x=x, alpha=a), {"x": SIX}, lambda x, a=a: np.where(x > 0, x, a * np.expm1(x)))
        for a in (0.7, 1.0)
    ],
    "leaky_relu": [
        (lambda mb, x, a=a: mb.leaky_relu(x=x, alpha=a), {"x": SIX}, lambda x, a=a: np.where(x > 0, x, a * x))
        for a in (0.2, 0.01)
    ],
    "prelu": [
        (
            lambda mb, x, slopes=slopes: mb.prelu(x=x, alpha=np.float32(slopes)),
            {"x": (2, 3, 4, 5)},
            lambda x, slopes=slopes: np.where(x > 0, x, x * np.reshape(slopes, (3, 1, 1))),
        )
        for slopes in ([0.1, 0.2, 0.3], [0.25, -1.0, 0.0])
    ],
    "clamped_relu": [
        (
            lambda mb, x: mb.clamped_relu(x=x, alpha=0.5, beta=2.0),
            {"x": SIX},
            lambda x: np.minimum(np.where(x >= 0, x, 0.5 * x), 2.0),
        ),
        (
            lambda mb, x: mb.clamped_relu(x=x, alpha=0.5, beta=6.0),
            {"x": SIX},
            lambda x: np.minimum(np.maximum(x, 0.5 * x), 6),
        ),
        # A negative slope lifts negative numbers above beta, which still bounds them.
        (
            lambda mb, x: mb.clamped_relu(x=x, alpha=-0.5, beta=2.0),
            {"x": SIX},
            lambda x: np.minimum(np.where(x >= 0, x, -0.5 * x), 2.0),
        ),
    ],
    "thresholded_relu": [
        (
            lambda mb, x: mb.thresholded_relu(x=x, alpha=0.5),
            {"x": HALVES},
            lambda x: np.where(x >= 0.5, x, 0),
        ),
        (
            lambda mb, x: mb.thresholded_relu(x=x, alpha=-1.5),
            {"x": HALVES},
            lambda x: np.where(x >= -1.5, x, 0),
        ),
    ],
    "linear_activation": [
        (
            lambda mb, x, a=a, b=b: mb.linear_activation(x=x, alpha=a, beta=b),
            {"x": (3, 4)},
            lambda x, a=a, b=b: a * x + b,
        )
        for a, b in ((2.0, -1.0), (-0.5, 0.0))
    ],
    "scaled_tanh": [
        (
            lambda mb, x, a=a, b=b: mb.scaled_tanh(x=x, alpha=a, beta=b),
            {"x": (3, 4)},
            lambda x, a=a, b=b: a * np.tanh(b * x),
        )
        for a, b in ((2.0, 0.5), (1.7159, 2 / 3))
    ],
    "sigmoid_hard": [
        (
            lambda mb, x: mb.sigmoid_hard(x=x, alpha=0.2, beta=0.5),
            {"x": SIX},
            lambda x: np.clip(0.2 * x + 0.5, 0, 1),
        ),
        (lambda mb, x: mb.sigmoid_hard(x=x, alpha=1 / 6, beta=0.5), {"x": SIX}, lambda x: np.clip(x / 6 + 0.5, 0, 1)),
        (lambda mb, x: mb.sigmoid_hard(x=x, alpha=0.2, beta=0.1), {"x": SIX}, lambda x: np.clip(0.2 * x + 0.1, 0, 1)),
    ],
}


@pytest.mark.parametrize(
    ("operation_type", "case"),
    [pytest.param(name, case, id=f"{name}-{i}") for name, cases in CASES.items() for i, case in enumerate(cases)],
)
def test_operation_computes_its_definition(operation_type, case, agree):
    build, arrays, expect = case
    agree(operation_type, build, arrays, lambda *tensors: expect(*(in_double(tensor.numpy()) for tensor in tensors)))
