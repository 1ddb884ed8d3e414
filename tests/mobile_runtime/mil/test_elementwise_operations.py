import numpy as np
import pytest
import torch
import torch.nn.functional as F

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


CASES = {
    "abs": unary("abs", torch.abs) + unary("abs", torch.abs, INTEGERS),
    "acos": unary("acos", torch.acos, BETWEEN_ONES),
    "asin": unary("asin", torch.asin, BETWEEN_ONES),
    "atan": unary("atan", torch.atan),
    "atanh": unary("atanh", torch.atanh, BETWEEN_ONES),
    "ceil": unary("ceil", torch.ceil),
    "cos": unary("cos", torch.cos),
    "cosh": unary("cosh", torch.cosh),
    "erf": unary("erf", torch.erf),
    "exp": unary("exp", torch.exp),
    "exp2": unary("exp2", lambda x: 2.0**x) + unary("exp2", lambda x: 2**x, np.arange(5, dtype=np.int32)),
    "floor": unary("floor", torch.floor),
    "logical_not": unary("logical_not", torch.logical_not, TRUTH),
    "round": unary("round", lambda x: torch.tensor([-2.0, -2.0, 0.0, 0.0, 0.0, 2.0, 2.0]), HALVES),
    "sign": unary("sign", torch.sign, HALVES) + unary("sign", torch.sign, INTEGERS),
    "sin": unary("sin", torch.sin),
    "sinh": unary("sinh", torch.sinh),
    "sqrt": unary("sqrt", torch.sqrt, POSITIVE),
    "square": unary("square", lambda x: x * x) + unary("square", lambda x: x * x, INTEGERS),
    "tan": unary("tan", torch.tan),
    "tanh": unary("tanh", torch.tanh),
    "identity": unary("identity", lambda x: x),
    "add": binary("add", lambda x, y: x + y) + binary("add", lambda x, y: x + y, INTEGERS, DIVISORS),
    "sub": binary("sub", lambda x, y: x - y),
    "mul": binary("mul", lambda x, y: x * y) + binary("mul", lambda x, y: x * y, INTEGERS, DIVISORS),
    "real_div": binary("real_div", lambda x, y: x / y),
    "floor_div": [
        *binary("floor_div", lambda x, y: torch.tensor([2, -3, -3, 2, 0]), INTEGERS, DIVISORS),
        *binary("floor_div", lambda x, y: torch.floor(x / y)),
    ],
    "mod": [
        *binary("mod", lambda x, y: torch.tensor([1, 2, -2, -1, 0]), INTEGERS, DIVISORS),
        *binary("mod", lambda x, y: x - y * torch.floor(x / y), SIX, np.full((3, 1), 2.5, np.float32)),
    ],
    "pow": binary("pow", lambda x, y: x**y, POSITIVE, (4,)),
    "maximum": binary("maximum", torch.maximum),
    "minimum": binary("minimum", torch.minimum),
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
        (lambda mb, x: mb.cast(x=x, dtype="int32"), {"x": SIX}, lambda x: x.trunc().int()),
        (lambda mb, x: mb.cast(x=x, dtype="bool"), {"x": HALVES}, lambda x: x != 0),
        (lambda mb, x: mb.cast(x=x, dtype="fp16"), {"x": SIX}, lambda x: x.half()),
        (lambda mb, x: mb.cast(x=x, dtype="fp32"), {"x": INTEGERS}, lambda x: x.float()),
        (lambda mb, x: mb.cast(x=x, dtype="int8"), {"x": SIX}, lambda x: x.to(torch.int8)),
        (lambda mb, x: mb.cast(x=x, dtype="uint16"), {"x": POSITIVE}, lambda x: x.int()),
    ],
    "clip": [
        (lambda mb, x, a=a, b=b: mb.clip(x=x, alpha=a, beta=b), {"x": SIX}, lambda x, a=a, b=b: x.clamp(a, b))
        for a, b in ((-0.5, 0.25), (0.0, 6.0))
    ],
    "threshold": [
        (lambda mb, x, a=a: mb.threshold(x=x, alpha=a), {"x": (3, 4)}, lambda x, a=a: x.clamp(min=a))
        for a in (0.2, -0.3)
    ],
    "inverse": [
        (lambda mb, x: mb.inverse(x=x), {"x": POSITIVE}, lambda x: 1 / (x + 1e-4)),
        (lambda mb, x: mb.inverse(x=x, epsilon=0.5), {"x": POSITIVE}, lambda x: 1 / (x + 0.5)),
    ],
    "log": [
        (lambda mb, x: mb.log(x=x), {"x": POSITIVE}, torch.log),
        (lambda mb, x: mb.log(x=x, epsilon=0.5), {"x": POSITIVE}, lambda x: torch.log(x + 0.5)),
        # The default epsilon keeps the logarithm of zero finite.
        (lambda mb, x: mb.log(x=x), {"x": np.zeros(3, np.float32)}, lambda x: torch.full((3,), -103.27893)),
    ],
    "rsqrt": [
        (lambda mb, x: mb.rsqrt(x=x), {"x": POSITIVE}, lambda x: x**-0.5),
        (lambda mb, x: mb.rsqrt(x=x, epsilon=0.5), {"x": POSITIVE}, lambda x: (x + 0.5) ** -0.5),
        (lambda mb, x: mb.rsqrt(x=x), {"x": np.zeros(3, np.float32)}, lambda x: torch.full((3,), 1e6)),
    ],
    "select": [
        (
            lambda mb, c, x, y: mb.select(cond=c, a=x, b=y),
            {"c": TRUTH, "x": (2, 4), "y": (2, 4)},
            lambda c, x, y: torch.where(c, x, y),
        )
    ],
    "relu": unary("relu", F.relu),
    "relu6": unary("relu6", F.relu6, SIX),
    "sigmoid": unary("sigmoid", torch.sigmoid),
    "silu": unary("silu", F.silu),
    "softsign": unary("softsign", F.softsign),
    "softplus": unary("softplus", lambda x: torch.log1p(torch.exp(x.double())).float(), 4 * SIX),
    "softplus_parametric": [
        (
            lambda mb, x, a=a, b=b: mb.softplus_parametric(x=x, alpha=np.float32(a), beta=np.float32(b)),
            {"x": (2, 3, 4, 5)},
            lambda x, a=a, b=b: (
                torch.tensor(a).reshape(3, 1, 1) * torch.log1p(torch.exp(x * torch.tensor(b).reshape(3, 1, 1)))
            ),
        )
        for a, b in (([1.0, 2.0, 3.0], [0.5, -1.0, 2.0]), ([0.5, -1.0, 1.0], [1.0, 1.5, 1.0]))
    ],
    "gelu": [
        (lambda mb, x: mb.gelu(x=x), {"x": SIX}, F.gelu),
        (lambda mb, x: mb.gelu(x=x, mode="EXACT"), {"x": SIX}, F.gelu),
        (
            lambda mb, x: mb.gelu(x=x, mode="TANH_APPROXIMATION"),
            {"x": SIX},
            lambda x: F.gelu(x, approximate="tanh"),
        ),
        (
            lambda mb, x: mb.gelu(x=x, mode="SIGMOID_APPROXIMATION"),
            {"x": SIX},
            lambda x: x * torch.sigmoid(1.702 * x),
        ),
    ],
    "softmax": [
        (lambda mb, x: mb.softmax(x=x), {"x": (2, 3, 4)}, lambda x: x.softmax(-1)),
        (lambda mb, x: mb.softmax(x=x, axis=1), {"x": (2, 3, 4)}, lambda x: x.softmax(1)),
    ],
    "elu": [(lambda mb, x, a=a: mb.elu(x=x, alpha=a), {"x": SIX}, lambda x, a=a: F.elu(x, a)) for a in (0.7, 1.0)],
    "leaky_relu": [
        (lambda mb, x, a=a: mb.leaky_relu(x=x, alpha=a), {"x": SIX}, lambda x, a=a: F.leaky_relu(x, a))
        for a in (0.2, 0.01)
    ],
    "prelu": [
        (
            lambda mb, x, slopes=slopes: mb.prelu(x=x, alpha=np.float32(slopes)),
            {"x": (2, 3, 4, 5)},
            lambda x, slopes=slopes: F.prelu(x, torch.tensor(slopes)),
        )
        for slopes in ([0.1, 0.2, 0.3], [0.25, -1.0, 0.0])
    ],
    "clamped_relu": [
        (
            lambda mb, x: mb.clamped_relu(x=x, alpha=0.5, beta=2.0),
            {"x": SIX},
            lambda x: torch.minimum(torch.where(x >= 0, x, 0.5 * x), torch.tensor(2.0)),
        ),
        (
            lambda mb, x: mb.clamped_relu(x=x, alpha=0.5, beta=6.0),
            {"x": SIX},
            lambda x: F.leaky_relu(x, 0.5).clamp(max=6),
        ),
        # A negative slope lifts negative numbers above beta, which still bounds them.
        (
            lambda mb, x: mb.clamped_relu(x=x, alpha=-0.5, beta=2.0),
            {"x": SIX},
            lambda x: torch.minimum(torch.where(x >= 0, x, -0.5 * x), torch.tensor(2.0)),
        ),
    ],
    "thresholded_relu": [
        (
            lambda mb, x: mb.thresholded_relu(x=x, alpha=0.5),
            {"x": HALVES},
            lambda x: torch.where(x >= 0.5, x, torch.zeros(())),
        ),
        (
            lambda mb, x: mb.thresholded_relu(x=x, alpha=-1.5),
            {"x": HALVES},
            lambda x: torch.where(x >= -1.5, x, torch.zeros(())),
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
            lambda x, a=a, b=b: a * torch.tanh(b * x),
        )
        for a, b in ((2.0, 0.5), (1.7159, 2 / 3))
    ],
    "sigmoid_hard": [
        (
            lambda mb, x: mb.sigmoid_hard(x=x, alpha=0.2, beta=0.5),
            {"x": SIX},
            lambda x: (0.2 * x + 0.5).clamp(0, 1),
        ),
        (lambda mb, x: mb.sigmoid_hard(x=x, alpha=1 / 6, beta=0.5), {"x": SIX}, F.hardsigmoid),
        (lambda mb, x: mb.sigmoid_hard(x=x, alpha=0.2, beta=0.1), {"x": SIX}, lambda x: (0.2 * x + 0.1).clamp(0, 1)),
    ],
}


@pytest.mark.parametrize(
    ("operation_type", "case"),
    [pytest.param(name, case, id=f"{name}-{i}") for name, cases in CASES.items() for i, case in enumerate(cases)],
)
def test_operation_computes_its_definition(operation_type, case, agree):
    agree(operation_type, *case)
