// model.py of a PyTorch export: the recurrence, and a reader of the arrays beside it.
#pragma once

namespace krohn {

inline constexpr const char* torch_module =
    R"PY("""A compiled linear RNN as a PyTorch module: exact weights that recognise a language. Needs PyTorch alone.

    model = Recogniser("model.safetensors")
    model.labels(["0110", "1"])          # the label after every symbol of each word

The arrays' layout is krohn's docs/dense.md. Hidden states H [batch, keys, columns] follow, for every layer,
H <- gate H;  H <- H + k (beta (v - k^T H))^T for each factor;  H <- H + write.
"""
import json
import struct
import sys

import torch

DTYPES = {"F32": torch.float32, "I64": torch.int64}


def read_safetensors(path):
    """The metadata, and name -> tensor."""
    data = bytearray(open(path, "rb").read())
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        if begin == end:
            tensors[name] = torch.empty(entry["shape"], dtype=DTYPES[entry["dtype"]])
            continue
        count = (end - begin) // torch.empty(0, dtype=DTYPES[entry["dtype"]]).element_size()
        flat = torch.frombuffer(data, dtype=DTYPES[entry["dtype"]], offset=8 + size + begin, count=count)
        tensors[name] = flat.reshape(entry["shape"]).clone()
    return metadata, tensors


class Layer(torch.nn.Module):
    def __init__(self, tensors):
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name.replace(".", "_"), tensor)

    def forward(self, hidden, row):
        """One token: H [batch, keys, columns] and input rows [batch] -> the new H, and the next layer's rows."""
        action, readout = self.row_action[row], self.row_readout[row]
        new = self.gate[action].unsqueeze(-1) * hidden
        for f in range(self.key.shape[1]):
            key, value = self.key[action, f].unsqueeze(-1), self.value[action, f].unsqueeze(1)
            beta = self.beta[action, f].view(-1, 1, 1)
            new = new + key * (beta * (value - (key * new).sum(1, keepdim=True)))
        new = new + self.write[action]
        seen = (hidden if self.reads_before[0] else new).flatten(1)
        scores = (self.readout_weight[readout] * seen.unsqueeze(1)).sum(-1) + self.readout_bias[readout]
        return new, self.next[row, scores.argmax(-1)]


class Recogniser(torch.nn.Module):
    def __init__(self, path):
        super().__init__()
        metadata, tensors = read_safetensors(path)
        self.symbols, self.label_names = json.loads(metadata["symbols"]), json.loads(metadata["labels"])
        self.register_buffer("symbol_row", tensors["symbol_row"])
        parts = [{} for _ in range(int(metadata["num_layers"]))]
        for name, tensor in tensors.items():
            if name.startswith("layers."):
                _, layer, rest = name.split(".", 2)
                parts[int(layer)][rest] = tensor
        self.layers = torch.nn.ModuleList(Layer(part) for part in parts)

    def forward(self, tokens):
        """Numbers of symbols [batch, time] -> numbers of labels [batch, time]."""
        batch = tokens.shape[0]
        hidden = [layer.initial_hidden.expand(batch, -1, -1) for layer in self.layers]
        labels = []
        for t in range(tokens.shape[1]):
            row = self.symbol_row[tokens[:, t]]
            for i, layer in enumerate(self.layers):
                hidden[i], row = layer(hidden[i], row)
            labels.append(row)
        return torch.stack(labels, 1) if labels else tokens.new_empty((batch, 0))

    def labels(self, words):
        """Words, each a sequence of symbols -> per word the list of labels after each symbol."""
        number = {symbol: i for i, symbol in enumerate(self.symbols)}
        device = self.symbol_row.device
        rows = [self(torch.tensor([[number[s] for s in word]], dtype=torch.long, device=device))[0] for word in words]
        return [[self.label_names[i] if i >= 0 else "?" for i in row.tolist()] for row in rows]


if __name__ == "__main__":
    recogniser = Recogniser(sys.argv[1])
    for line in sys.stdin:
        print(*recogniser.labels([line.split() if " " in line.strip() else line.strip()])[0])
)PY";

}  // namespace krohn
