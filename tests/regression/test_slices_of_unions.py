"""Which child a value of a sliced union is of, and where, was read as if the slice began at the array's beginning."""

import pytest

from fleche.digest import digest

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def _sparse(last):
    children = [pa.array([1, 2, last]), pa.array(["a", "b", "c"])]
    return pa.UnionArray.from_sparse(pa.array([0, 1, 0], pa.int8()), children)


def _dense(last):
    children = [pa.array([1, last]), pa.array(["b"])]
    return pa.UnionArray.from_dense(pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()), children)


@pytest.mark.parametrize("union", [_sparse, _dense])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda array: array.slice(1),
        lambda array: pa.table({"u": array}).slice(1),
        lambda array: pa.StructArray.from_arrays([array], ["u"]).slice(1),
        lambda array: pa.ListArray.from_arrays([0, 1, 3], array).slice(1),
    ],
    ids=["array", "table", "struct", "list"],
)
def test_slices_of_unions_that_differ_have_different_digests(union, wrap):
    """Every value of a slice counts."""
    assert digest(wrap(union(3))) != digest(wrap(union(4)))


def test_a_slice_of_a_union_is_the_union_of_its_values():
    """Where the values of a union lie does not show."""
    sparse = pa.UnionArray.from_sparse(pa.array([1, 0], pa.int8()), [pa.array([9, 3]), pa.array(["b", "z"])])
    dense = pa.UnionArray.from_dense(
        pa.array([1, 0], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array([3]), pa.array(["b"])]
    )
    assert digest(_sparse(3).slice(1)) == digest(sparse)
    assert digest(_dense(3).slice(1)) == digest(dense)
    assert digest(_dense(3).slice(3)) == digest(dense.slice(2))
