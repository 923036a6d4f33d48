"""Live PyTorch modules: state dicts without files, and searches of any architecture."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from conftest import read_safetensors

import krohn
from krohn.torch import Checker, EpochCheck

torch = pytest.importorskip("torch")

TASK = {"symbols": {"0": 0, "1": 1}, "bos": 2, "outputs": {"0": "0", "1": "1"}, "automaton": "parity"}


def module_of(tensors: dict, config: dict):
    """A module whose state_dict() has these names, and a config."""
    root = torch.nn.Module()
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        at = root
        for part in path:
            if not hasattr(at, part):
                at.add_module(part, torch.nn.Module())
            at = getattr(at, part)
        at.register_parameter(last, torch.nn.Parameter(tensor))
    root.config = config
    return root


def test_a_live_module_is_the_checkpoint_it_was_saved_as(data):
    folder = data / "zoo" / "gdn_2l__tomita4"
    tensors = {name: torch.from_numpy(a.copy()) for name, a in read_safetensors(folder / "model.safetensors").items()}
    config = json.loads((folder / "config.json").read_text())
    task = json.loads((folder / "task.json").read_text())
    module = module_of(tensors, config)
    opened = krohn.open_checkpoint(folder)
    live = krohn.open_checkpoint(module, task=task)
    assert live.fingerprint == opened.fingerprint

    class Config:
        def to_dict(self):
            return config

    assert krohn.open_checkpoint(module.state_dict(), Config(), task=task).fingerprint == opened.fingerprint
    # A compiled or data-parallel module's names are the module's.
    wrapped = {"_orig_mod." + name: tensor for name, tensor in module.state_dict().items()}
    with pytest.warns(krohn.Note):
        assert krohn.open_checkpoint(wrapped, config, task=task).fingerprint == opened.fingerprint
    # bfloat16 has no NumPy type and is read all the same: the model is that of the rounded weights.
    half = krohn.open_checkpoint(module.bfloat16(), task=task)
    rounded = {name: tensor.bfloat16().float() for name, tensor in tensors.items()}
    assert half.fingerprint == krohn.open_checkpoint(rounded, config, task=task).fingerprint
    assert half.fingerprint != opened.fingerprint


def test_tensors_on_the_cpu_are_read_where_they_lie(data):
    from krohn._jobs import _on_cpu

    tensor = torch.nn.Parameter(torch.ones(3, 4))
    assert _on_cpu(tensor).data_ptr() == tensor.data_ptr()
    assert _on_cpu(tensor.T).is_contiguous()


class Transformer(torch.nn.Module):
    """A small causal transformer, untrained."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(3, 16)
        layer = torch.nn.TransformerEncoderLayer(16, 2, 32, dropout=0.5, batch_first=True)
        self.layers = torch.nn.TransformerEncoder(layer, 2)
        self.head = torch.nn.Linear(16, 3)

    def forward(self, tokens):
        mask = torch.nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        return type("Output", (), {"logits": self.head(self.layers(self.embedding(tokens), mask=mask, is_causal=True))})


def test_a_transformer_is_refuted_by_a_shortest_word():
    torch.manual_seed(0)
    module = Transformer().train()
    checker = Checker(module, TASK)
    finding = checker.search(max_words=2000)
    assert finding.verdict == "REFUTED"
    assert finding.shortest
    # Dropout is off while it is asked, and on again after.
    assert module.training
    assert checker.label(finding.word) == finding.observed != finding.expected
    for length in range(len(finding.word)):
        for word in itertools.product("01", repeat=length):
            assert checker.label(word) == str(word.count("1") % 2)


class Counter(torch.nn.Module):
    """Parity by a running product of signs: right at every length."""

    def __init__(self):
        super().__init__()
        self.sign = torch.nn.Parameter(torch.tensor([1.0, -1.0, 1.0]))

    def forward(self, tokens):
        running = torch.cumprod(self.sign[tokens], dim=1)
        return torch.stack([running, -running], dim=-1)


def test_a_right_module_is_never_called_proved():
    finding = Checker(Counter(), TASK).search(max_words=500, samples=100)
    assert (finding.verdict, finding.agreed) == ("UNKNOWN", 7)


def test_training_is_watched():
    module, lines = Counter(), []
    watch = EpochCheck(Checker(module, TASK), log=lines.append)
    for epoch, sign in enumerate([1.0, 0.5, -1.0]):
        with torch.no_grad():
            module.sign[1] = sign
        watch(epoch)
    assert [finding.verdict for _, finding in watch.history] == ["REFUTED", "REFUTED", "UNKNOWN"]
    assert "length 1: 1 " in lines[0]


def test_captured_tensors_of_a_hook():
    layer = torch.nn.Linear(8, 4)
    captured = []
    layer.register_forward_hook(lambda module, inputs, output: captured.append(output))
    layer(torch.randn(2, 5, 3, 8))
    keys = torch.nn.functional.normalize(captured[0], dim=-1)
    beta = torch.full((2, 5, 3), 2.0)
    spectrum = krohn.spectrum(keys, beta)
    assert spectrum.eigenvalues.shape == (2, 5, 3, 4)
    assert np.allclose(spectrum.eigenvalues.real.min(axis=-1), -1.0, atol=1e-5)
    assert krohn.spectrum(keys.bfloat16(), beta.bfloat16()).negative == 30
