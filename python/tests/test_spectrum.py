"""Captured spectra against NumPy's eigenvalues of the matrices written out."""

from __future__ import annotations

import numpy as np
import pytest

import krohn


def matrices(keys, betas, gates):
    """[tokens, factors, d], [tokens, factors], [tokens, d] -> [tokens, d, d]."""
    out = []
    for k, b, g in zip(keys, betas, gates, strict=True):
        a = np.diag(g)
        for key, beta in zip(k, b, strict=True):
            a = (np.eye(len(key)) - beta * np.outer(key, key)) @ a
        out.append(a)
    return np.array(out)


def agree(a, b):
    """The same multisets, up to rounding: backward stable to 1e-13, and up to its root where eigenvalues nearly meet."""
    a, b = list(a), list(b)
    for value in a:
        at = int(np.argmin([abs(value - other) for other in b]))
        assert abs(value - b[at]) < 1e-6, (value, b)
        del b[at]


@pytest.mark.parametrize("gate", ["none", "scalar", "diagonal"])
@pytest.mark.parametrize("factors", [1, 2, 3, 7])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_against_numpy(gate, factors, d):
    rng = np.random.default_rng([d, factors, len(gate)])
    time = 6
    k = rng.normal(size=(time * factors, d))
    k /= np.linalg.norm(k, axis=-1, keepdims=True)
    beta = rng.uniform(0, 2, size=time * factors)
    beta[:: max(2, factors)] = 2.0
    beta[1 :: max(2, factors)] = 0.0
    gates = {"none": None, "scalar": rng.uniform(0, 1, time), "diagonal": rng.uniform(0, 1, (time, d))}[gate]
    spectrum = krohn.spectrum(k, beta, gates, factors=factors)
    assert spectrum.eigenvalues is not None
    assert spectrum.eigenvalues.shape == (time, d)
    full = np.ones((time, d)) if gates is None else gates.reshape(time, -1) * np.ones((time, d))
    expected = matrices(k.reshape(time, factors, d), beta.reshape(time, factors), full)
    for token in range(time):
        agree(spectrum.eigenvalues[token], np.linalg.eigvals(expected[token]))


def test_the_layout_of_kernels():
    rng = np.random.default_rng(0)
    batch, time, heads, d, factors = 2, 3, 4, 5, 2
    k = rng.normal(size=(batch, time * factors, heads, d)).astype(np.float32)
    beta = rng.uniform(0, 2, size=(batch, time * factors, heads)).astype(np.float32)
    gate = rng.uniform(0.1, 1, size=(batch, time, heads)).astype(np.float32)
    whole = krohn.spectrum(k, beta, gate, factors=factors)
    assert whole.eigenvalues is not None
    assert whole.eigenvalues.shape == (batch, time, heads, d)
    assert [head.head for head in whole.heads] == list(range(heads))
    one = krohn.spectrum(k[1, :, 2].copy(), beta[1, :, 2].copy(), np.log(gate[1, :, 2]), factors=factors, log_gate=True)
    assert one.eigenvalues is not None
    for token in range(time):
        agree(whole.eigenvalues[1, token, 2], one.eigenvalues[token])
    head = whole.heads[2]
    values = whole.eigenvalues[:, :, 2].reshape(-1)
    assert head.eigenvalues == values.size
    assert head.least_real == values.real.min()
    assert head.negative == (values.real < -1e-6).sum()
    assert head.histogram.sum() == values.size


def test_a_reflection_has_minus_one_and_a_contraction_does_not():
    k = np.eye(3)[None, 0]
    assert krohn.spectrum(k, np.array([2.0])).least_real == -1.0
    assert krohn.spectrum(k, np.array([1.0])).negative == 0
    rotation = krohn.spectrum(np.array([[1.0, 0.0], [np.sqrt(0.5), np.sqrt(0.5)]]), np.array([2.0, 2.0]), factors=2)
    assert rotation.complex == 2
    assert rotation.heads[0].most_modulus == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((np.zeros(3), np.zeros(())), r"k: expected \[.., d\]"),
        ((np.zeros((3, 2)), np.zeros(2)), r"beta: expected \[3\], the shape of k without its last axis, got \[2\]"),
        ((np.zeros((3, 2)), np.zeros(3), np.zeros(2)), r"gate: expected \[3\] or \[3, 2\], got \[2\]"),
        ((np.zeros((3, 2), dtype=complex), np.zeros(3)), r"k: expected an array of real numbers, got complex128 \[3, 2\]"),
    ],
)
def test_wrong_shapes_say_which_is_wanted(arguments, wanted):
    with pytest.raises(krohn.InputError, match=wanted):
        krohn.spectrum(*arguments)


def test_what_is_not_finite_is_no_spectrum():
    with pytest.raises(krohn.NumericError, match="beta: element 1"):
        krohn.spectrum(np.ones((2, 2)), np.array([1.0, np.nan]))
    with pytest.raises(krohn.InputError, match="factors"):
        krohn.spectrum(np.ones((3, 2)), np.ones(3), factors=2)


def test_arrays_are_not_copied_where_their_type_fits(monkeypatch):
    from krohn import _core

    seen = []
    original = _core.captured_spectrum

    def spy(keys, betas, gates):
        seen.append((keys, betas))
        return original(keys, betas, gates)

    monkeypatch.setattr(_core, "captured_spectrum", spy)
    for dtype in (np.float32, np.float64):
        k, beta = np.ones((4, 3), dtype=dtype), np.ones(4, dtype=dtype)
        krohn.spectrum(k, beta)
        assert np.shares_memory(seen[-1][0], k)
        assert np.shares_memory(seen[-1][1], beta)


def test_a_hybrids_linear_layers(data):
    folder = next(iter(sorted((data / "hybrids").iterdir())))
    with pytest.warns(krohn.Note, match="linear layers alone"):
        model = krohn.open_checkpoint(folder)
    assert not model.has_task
    assert model.spectrum().heads
