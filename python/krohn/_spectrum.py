"""Eigenvalues of state-transition matrices: of checkpoints, and of tensors captured in any running model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _core, _display
from ._errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class HeadSpectrum:
    """The eigenvalues met in one head.

    Attributes:
        layer: The layer's number, from 0.
        head: The head's number, from 0.
        key_size: The size of its matrices.
        matrices: How many were looked at.
        eigenvalues: How many eigenvalues they have together.
        least_real: The least real part.
        most_real: The largest real part.
        most_modulus: The largest modulus.
        most_imaginary: The largest imaginary part, without its sign.
        negative: Eigenvalues with a real part below -1e-6.
        complex: Eigenvalues with an imaginary part beyond 1e-6.
        histogram: uint64 [48], real parts in bins of 0.05 from -1.2 to 1.2.
        sample: complex128, at most 600 of them, evenly spread over those met.
    """

    layer: int
    head: int
    key_size: int
    matrices: int
    eigenvalues: int
    least_real: float
    most_real: float
    most_modulus: float
    most_imaginary: float
    negative: int
    complex: int
    histogram: npt.NDArray[np.uint64]
    sample: npt.NDArray[np.complex128]


class Spectrum:
    """Eigenvalues of state-transition matrices, with their picture.

    Attributes:
        heads: One entry a head.
        eigenvalues: Of captured tensors: complex128 [.., d], in the order of the gates' or betas' axes; else None.
    """

    def __init__(self, heads: list[HeadSpectrum], eigenvalues: npt.NDArray[np.complex128] | None, svg: str, name: str) -> None:
        self.heads, self.eigenvalues, self.svg, self._name = heads, eigenvalues, svg, name

    @classmethod
    def _of_heads(cls, heads: list[dict[str, Any]], svg: str, name: str) -> Spectrum:
        return cls([HeadSpectrum(**head) for head in heads], None, svg, name)

    @property
    def least_real(self) -> float:
        """The least real part of all."""
        return min((head.least_real for head in self.heads), default=float("nan"))

    @property
    def negative(self) -> int:
        """Eigenvalues with a negative real part: without any, no readout recognises parity (Grazzi et al. 2025)."""
        return sum(head.negative for head in self.heads)

    @property
    def complex(self) -> int:
        """Eigenvalues that are not real."""
        return sum(head.complex for head in self.heads)

    def _cells(self) -> list[list[str]]:
        return [
            [str(h.layer), str(h.head), str(h.eigenvalues), f"{h.least_real:.4f}", f"{h.most_real:.4f}", str(h.negative), str(h.complex)]
            for h in self.heads
        ]

    def __repr__(self) -> str:
        return (
            f"<krohn.Spectrum of {self._name!r}: {len(self.heads)} heads, real parts from {self.least_real:.4f}, "
            f"{self.negative} negative, {self.complex} complex>"
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> _display.Bundle:
        table = _display.grid(["layer", "head", "eigenvalues", "least real", "most real", "negative", "complex"], self._cells()[:64])
        return {
            "text/plain": repr(self),
            "image/svg+xml": _display.card(self.svg),
            "text/html": f'<div class="krohn-figure">{_display.card(self.svg)}</div>{table}',
        }


def _array(value: Any, name: str) -> npt.NDArray[Any]:
    """A NumPy array of float32 or float64, without a copy where the value is one."""
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
        value = value.numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name}: expected an array of real numbers, got {array.dtype} {list(array.shape)}")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32 if array.dtype == np.float16 else np.float64)
    return array


def spectrum(
    k: Any,
    beta: Any,
    gate: Any = None,
    *,
    factors: int = 1,
    time_axis: int | None = None,
    log_gate: bool = False,
    name: str = "captured tensors",
) -> Spectrum:
    """The eigenvalues of A_t = (I - beta_n k_n k_n^T) .. (I - beta_1 k_1 k_1^T) diag(gate_t) of captured tensors.

    For hooks in any model, hybrids too: what a kernel of the delta family is called with tells its matrices.

    Args:
        k: Keys [.., d] as the kernel uses them (normalised, where it normalises): a NumPy array or a tensor, such as
            [time, d] or [batch, time, heads, d]. float32 and float64 in C order are read where they lie.
        beta: [..], the shape of k without its last axis.
        gate: None; one number a token [..]; or one a coordinate [.., d].
        factors: Factors a token (n_h): so many consecutive entries along the time axis of k and beta make one token's
            matrix, the first acting first. The gate has one entry a token.
        time_axis: That axis; by default 1 where k is [batch, time, heads, d], else the last but one.
        log_gate: The gate's logarithms are given, as flash-linear-attention has them.
        name: For reports.

    Returns:
        A Spectrum whose `eigenvalues` are complex128 [.., d], one matrix a token.

    Raises:
        InputError: For another shape or type, with the one that is wanted.
        NumericError: For a number that is not finite.
    """
    import numpy as np

    keys, betas = _array(k, "k"), _array(beta, "beta")
    if keys.ndim < 2:
        raise InputError(f"k: expected [.., d] with at least two axes, got {list(keys.shape)}")
    if betas.shape != keys.shape[:-1]:
        raise InputError(f"beta: expected {list(keys.shape[:-1])}, the shape of k without its last axis, got {list(betas.shape)}")
    axis = (1 if keys.ndim == 4 else keys.ndim - 2) if time_axis is None else time_axis
    if not 0 <= axis < keys.ndim - 1:
        raise InputError(f"time_axis: expected 0 to {keys.ndim - 2}, got {axis}")
    if factors < 1 or keys.shape[axis] % factors:
        raise InputError(f"factors: expected a divisor of {keys.shape[axis]}, the length of axis {axis}, got {factors}")
    size = keys.shape[-1]
    tokens = list(betas.shape)
    tokens[axis] //= factors
    if factors > 1:
        split = [*keys.shape[:axis], tokens[axis], factors, *keys.shape[axis + 1 :]]
        keys = np.moveaxis(keys.reshape(split), axis + 1, -2)
        betas = np.moveaxis(betas.reshape(split[:-1]), axis + 1, -1)
    gates = None if gate is None else _array(gate, "gate")
    if gates is not None and list(gates.shape) not in (tokens, [*tokens, size]):
        raise InputError(f"gate: expected {tokens} or {[*tokens, size]}, got {list(gates.shape)}")
    if gates is not None and log_gate:
        gates = np.exp(gates)
    kind = np.result_type(keys, betas, *([] if gates is None else [gates]))
    flat = [
        np.ascontiguousarray(keys, dtype=kind).reshape(-1, factors, size),
        np.ascontiguousarray(betas, dtype=kind).reshape(-1, factors, 1),
    ]
    flat_gate = None if gates is None else np.ascontiguousarray(gates, dtype=kind).reshape(flat[0].shape[0], -1, 1)
    values: npt.NDArray[np.complex128] = _core.captured_spectrum(flat[0], flat[1], flat_gate)
    shaped = values.reshape(*tokens, size)
    # Heads stand behind time where k is [batch, time, heads, d].
    per_head = np.moveaxis(shaped, 2, 0) if shaped.ndim == 4 else shaped[None]
    heads = [_head(i, each.reshape(-1), size) for i, each in enumerate(per_head)]
    names = [f"head {head.head}" for head in heads[:7]] if len(heads) > 1 else ["eigenvalues"]
    svg, _ = _core.draw_eigenvalues(names, [head.sample.tolist() for head in heads[:7]])
    return Spectrum(heads, shaped, svg, name)


def _head(number: int, values: npt.NDArray[np.complex128], size: int) -> HeadSpectrum:
    import numpy as np

    bins = np.clip(np.floor((values.real + 1.2) / 0.05), 0, 47).astype(np.int64)
    # Whole matrices, so that pairs of conjugates stay together.
    stride = max(1, -(-values.size // 600))
    none = values.size == 0
    return HeadSpectrum(
        layer=0,
        head=number,
        key_size=size,
        matrices=values.size // size,
        eigenvalues=values.size,
        least_real=float("nan") if none else float(values.real.min()),
        most_real=float("nan") if none else float(values.real.max()),
        most_modulus=0.0 if none else float(np.abs(values).max()),
        most_imaginary=0.0 if none else float(np.abs(values.imag).max()),
        negative=int((values.real < -1e-6).sum()),
        complex=int((np.abs(values.imag) > 1e-6).sum()),
        histogram=np.bincount(bins, minlength=48).astype(np.uint64),
        sample=values.reshape(-1, size)[::stride].reshape(-1)[:600].copy(),
    )
