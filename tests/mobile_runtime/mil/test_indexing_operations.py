import numpy as np
import pytest
import torch

from tinysam2.core.errors import InputError


def one(operation_type, expect, x, **attributes):
    return (lambda mb, x: getattr(mb, operation_type)(x=x, **attributes), {"x": x}, expect)


def sliced(expect, x=(4, 5, 6), **attributes):
    return one("slice_by_index", expect, x, **attributes)


def updated(window, shape, **attributes):
    def expect(x, u):
        x = x.clone()
        x[window] = u
        return x

    return (
        lambda mb, x, u: mb.slice_update(x=x, update=u, **attributes),
        {"x": (4, 5), "u": shape},
        expect,
    )


CASES = {
    "slice_by_index": [
        sliced(lambda x: x[1:3, 0:5:2, 2:6], begin=[1, 0, 2], end=[3, 5, 6], stride=[1, 2, 1]),
        sliced(
            lambda x: x[1:-1, -3:, :4],
            begin=[1, -3, 9],
            end=[-1, 9, 4],
            begin_mask=[False, False, True],
            end_mask=[False, True, False],
        ),
        sliced(lambda x: x[2, :, -1], begin=[2, 0, -1], end=[0, 5, 0], squeeze_mask=[True, False, True]),
        sliced(lambda x: x[1, 2, 3], begin=[1, 2, 3], end=[2, 3, 4], squeeze_mask=[True, True, True]),
        sliced(
            lambda x: x.flip(1)[:, 1:4:2],
            begin=[0, -2, 0],
            end=[4, 0, 6],
            stride=[1, -2, 1],
        ),
        sliced(
            lambda x: x.flip(2),
            begin=[0, 0, 0],
            end=[4, 5, 0],
            stride=[1, 1, -1],
            begin_mask=[True, True, True],
            end_mask=[True, True, True],
        ),
        # Positions known only at run time.
        (
            lambda mb, x, b: mb.slice_by_index(x=x, begin=b, end=[4, 5], end_mask=[True, True]),
            {"x": (4, 5), "b": np.int32([1, 2])},
            lambda x, b: x[1:, 2:],
        ),
    ],
    "slice_by_size": [
        one("slice_by_size", lambda x: x[1:3, 2:], (4, 5), begin=[1, 2], size=[2, -1]),
        one("slice_by_size", lambda x: x[2:3, 1:4], (4, 5), begin=[-2, 1], size=[1, 3]),
    ],
    "slice_update": [
        updated((slice(1, 3), slice(0, 5, 2)), (2, 3), begin=[1, 0], end=[3, 5], stride=[1, 2]),
        updated(
            (slice(None), slice(2, None)),
            (4, 3),
            begin=[0, 2],
            end=[0, 0],
            begin_mask=[True, False],
            end_mask=[True, True],
        ),
        updated((-1, slice(None)), (5,), begin=[-1, 0], end=[0, 5], squeeze_mask=[True, False]),
    ],
    "gather": [
        (
            lambda mb, x, i: mb.gather(x=x, indices=i),
            {"x": (4, 5), "i": np.int32([3, -1, 0])},
            lambda x, i: x[[3, 3, 0]],
        ),
        (
            lambda mb, x, i: mb.gather(x=x, indices=i, axis=-1),
            {"x": (3, 4), "i": np.int32([[1, 0], [3, 2]])},
            lambda x, i: x[:, i.long()],
        ),
        (
            lambda mb, x, i: mb.gather(x=x, indices=i, axis=2, batch_dims=1),
            {"x": (2, 3, 4), "i": np.int32([[0, 3], [2, 1]])},
            lambda x, i: torch.stack([x[0][:, [0, 3]], x[1][:, [2, 1]]]),
        ),
        (
            lambda mb, x, i: mb.gather(x=x, indices=i, axis=0, validate_indices=True),
            {"x": (4, 5), "i": np.int32([3, 0])},
            lambda x, i: x[[3, 0]],
        ),
        # A constant index without a dimension drops the axis.
        one("gather", lambda x: x[:, 2], (3, 4), indices=np.int32(2), axis=1),
    ],
    "gather_along_axis": [
        (
            lambda mb, x, i: mb.gather_along_axis(x=x, indices=i, axis=1),
            {"x": (2, 4), "i": np.int32([[1, 0, 3], [-1, 2, 0]])},
            lambda x, i: np.take_along_axis(x.numpy(), np.array([[1, 0, 3], [3, 2, 0]]), 1),
        ),
        (
            lambda mb, x, i: mb.gather_along_axis(x=x, indices=i),
            {"x": (3, 2), "i": np.int32([[2, 0]])},
            lambda x, i: torch.stack([x[2, 0], x[0, 1]])[None],
        ),
    ],
    "gather_nd": [
        (
            lambda mb, x, i: mb.gather_nd(x=x, indices=i),
            {"x": (2, 3, 4), "i": np.int32([[1, 2], [0, -1]])},
            lambda x, i: torch.stack([x[1, 2], x[0, 2]]),
        ),
        (
            lambda mb, x, i: mb.gather_nd(x=x, indices=i, batch_dims=1),
            {"x": (2, 3, 4), "i": np.int32([[[1], [0]], [[2], [2]]])},
            lambda x, i: torch.stack([x[0][[1, 0]], x[1][[2, 2]]]),
        ),
    ],
}


def scattered(combine):
    """A scatter along rows, one update at a time."""

    def expect(data, indices, updates):
        data = data.clone()
        for index, update in zip(indices.tolist(), updates, strict=True):
            data[index] = combine(data[index], update)
        return data

    return expect


MODES = {
    "update": lambda old, new: new,
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "max": torch.maximum,
    "min": torch.minimum,
}
ROWS, REPEATED = np.int32([3, 0, -1 + 2]), np.int32([3, 0, 3])

CASES["scatter"] = [
    (
        lambda mb, d, i, u, mode=mode: mb.scatter(data=d, indices=i, updates=u, mode=mode),
        {"d": (4, 2), "i": ROWS if mode == "update" else REPEATED, "u": (3, 2)},
        scattered(combine),
    )
    for mode, combine in MODES.items()
] + [
    (
        lambda mb, d, i, u: mb.scatter(data=d, indices=i, updates=u, axis=1, mode="update"),
        {"d": (2, 5), "i": np.int32([[0, -1], [2, 1]]), "u": (2, 2, 2)},
        lambda d, i, u: torch.stack([u[:, 0, 0], u[:, 1, 1], u[:, 1, 0], d[:, 3], u[:, 0, 1]], 1),
    ),
]
CASES["scatter_along_axis"] = [
    (
        lambda mb, d, i, u, mode=mode: mb.scatter_along_axis(data=d, indices=i, updates=u, mode=mode),
        {"d": (4, 1), "i": (ROWS if mode == "update" else REPEATED)[:, None], "u": (3, 1)},
        lambda d, i, u, combine=combine: scattered(combine)(d, i[:, 0], u),
    )
    for mode, combine in MODES.items()
] + [
    (
        lambda mb, d, i, u: mb.scatter_along_axis(data=d, indices=i, updates=u, axis=-1, mode="update"),
        {"d": (2, 5), "i": np.int32([[0, -1], [2, 1]]), "u": (2, 2)},
        lambda d, i, u: torch.tensor(
            [[u[0, 0], d[0, 1], d[0, 2], d[0, 3], u[0, 1]], [d[1, 0], u[1, 1], u[1, 0], d[1, 3], d[1, 4]]]
        ),
    ),
]
CASES["scatter_nd"] = [
    (
        lambda mb, d, i, u, mode=mode: mb.scatter_nd(data=d, indices=i, updates=u, mode=mode),
        {"d": (4, 2), "i": (ROWS if mode == "update" else REPEATED)[:, None], "u": (3, 2)},
        lambda d, i, u, combine=combine: scattered(combine)(d, i[:, 0], u),
    )
    for mode, combine in MODES.items()
] + [
    (
        lambda mb, d, i, u: mb.scatter_nd(data=d, indices=i, updates=u),
        {"d": (2, 3, 4), "i": np.int32([[1, 2], [0, 1], [1, 2]]), "u": (3, 4)},
        lambda d, i, u: d.index_put((i[:, 0].long(), i[:, 1].long()), u, accumulate=True),
    ),
]


# Indices that the program asks to be checked, and that are in range.
CASES["gather_along_axis"].append(
    (
        lambda mb, x, i: mb.gather_along_axis(x=x, indices=i, axis=-1, validate_indices=True),
        {"x": (2, 4), "i": np.int32([[1, 0], [3, 2]])},
        lambda x, i: torch.tensor([[x[0, 1], x[0, 0]], [x[1, 3], x[1, 2]]]),
    )
)
CASES["gather_nd"].append(
    (
        lambda mb, x, i: mb.gather_nd(x=x, indices=i, validate_indices=True),
        {"x": (2, 3), "i": np.int32([[1, 2], [0, 0]])},
        lambda x, i: torch.stack([x[1, 2], x[0, 0]]),
    )
)
for _type, _indices in (("scatter", ROWS), ("scatter_along_axis", ROWS[:, None]), ("scatter_nd", ROWS[:, None])):
    CASES[_type].append(
        (
            lambda mb, d, i, u, kind=_type: getattr(mb, kind)(
                data=d, indices=i, updates=u, mode="update", validate_indices=True
            ),
            {"d": (4, 1), "i": _indices, "u": (3, 1)},
            lambda d, i, u: scattered(MODES["update"])(d, i.reshape(-1), u),
        )
    )


@pytest.mark.parametrize(
    ("operation_type", "case"),
    [pytest.param(name, case, id=f"{name}-{i}") for name, cases in CASES.items() for i, case in enumerate(cases)],
)
def test_operation_computes_its_definition(operation_type, case, agree):
    agree(operation_type, *case)


def _picked(operation_type):
    def build(mb, x, i):
        axis = {} if operation_type.endswith("_nd") else {"axis": 0}
        if operation_type.startswith("gather"):
            return getattr(mb, operation_type)(x=x, indices=i, validate_indices=True, **axis)
        updates = np.ones({"scatter": (1, 2, 2), "scatter_along_axis": (1, 2), "scatter_nd": (1,)}[operation_type])
        return getattr(mb, operation_type)(
            data=x, indices=i, updates=updates.astype(np.float32), mode="add", validate_indices=True, **axis
        )

    return build


@pytest.mark.parametrize(
    "operation_type", ["gather", "gather_along_axis", "gather_nd", "scatter", "scatter_along_axis", "scatter_nd"]
)
def test_an_index_outside_is_refused_where_the_program_asks_for_it(operation_type, mil_program):
    arrays = {"x": np.zeros((4, 2), np.float32), "i": np.zeros((1, 2), np.int32)}
    program = mil_program(_picked(operation_type), arrays)
    with pytest.raises(InputError, match=r"outside 0\.\.3"):
        program.run(x=arrays["x"], i=np.int32([[4, 0]]))
