"""The few array operations that the array API standard leaves out or that NumPy does faster its own way."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device, is_numpy_array, is_torch_array

Array: TypeAlias = Any
"""An array of any library of the array API standard; here NumPy arrays and torch tensors."""

Floats: TypeAlias = npt.NDArray[np.float32]
Rows: TypeAlias = npt.NDArray[np.int64]


def to_numpy(array: Array) -> npt.NDArray[Any]:
    """Return the values on the host; float32 for types NumPy lacks (bfloat16)."""
    if is_torch_array(array):
        array = array.detach().cpu()
        return np.asarray(array.float() if "bfloat16" in str(array.dtype) else array)
    return np.asarray(array)


def as_float32(array: Array) -> Array:
    """Return the array as float32, unchanged when it is that already."""
    xp = array_namespace(array)
    return xp.astype(array, xp.float32, copy=False)


def like(values: npt.ArrayLike, reference: Array) -> Array:
    """Return ``values`` as an array of ``reference``'s library on its device."""
    if is_numpy_array(reference):
        return np.asarray(values)
    xp = array_namespace(reference)
    return xp.asarray(np.asarray(values), device=device(reference))


def contiguous(array: Array) -> Array:
    """Return the array in row-major memory order."""
    if is_torch_array(array):
        return array.contiguous()
    return np.ascontiguousarray(array)


def kth_smallest(values_nm: Array, k: int) -> Array:
    """Return each row's k-th smallest value, shape (n, 1); 1 <= k <= m."""
    if is_torch_array(values_nm):
        return values_nm.kthvalue(k, dim=1, keepdim=True).values
    return np.partition(values_nm, k - 1, axis=1)[:, k - 1 : k]
