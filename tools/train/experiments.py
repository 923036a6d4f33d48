"""The experiments by name: a task, a model, and how it is trained.

The eighteen of Grazzi et al. 2025 (six models on three tasks) are here twice: `paper/NAME` with the paper's sizes and
numbers of steps, and `NAME` scaled down to minutes on one GPU. What is scaled down: `d_model` 64 for 128; 3 seeds trained
as one; fewer steps, ended by time; a curriculum of lengths; in parity, as in the word problems, an answer at every symbol.
"""

MODELS = {
    "mlstm": ("xlstm_lm", {}),
    "slstm": ("xlstm_lm", {"slstm_at": [0, 1]}),
    "mamba-pos": ("paper_mamba_lm", {}),
    "mamba-neg": ("paper_mamba_lm", {"positive_and_negative": True}),
    "deltanet-pos": ("delta_net", {}),
    "deltanet-neg": ("delta_net", {"allow_neg_eigval": True}),
}
TASKS = {"parity": "parity", "arithmetic": "modular-arithmetic", "brackets": "modular-arithmetic-brackets"}

# length: longest training word, with its answer; first_length: where the curriculum starts (null: none).
# letter_length: the longest word while letters are still added; shorten: from short words again with each lot of letters.
# all_by_half: all lengths by half of the run, solved or not.
# rounding: models.py. worst: the mean loss of the worst share of the positions counts beside the mean of all.
# gather: how much it counts that states of the delta rule lie apart though the language's state is the same;
# gather_last: .. and the last symbol.
# few_letters: the share of training words over at most two letters (with an answer at every symbol).
DEFAULTS = dict(
    few_letters=0.0,
    letter_length=16,
    shorten=False,
    all_by_half=True,
    steps=20000,
    batch=128,
    members=3,
    cooldown=1000,
    seed=0,
    lr=2e-3,
    weight_decay=0.0,
    warmup=0.05,
    length=40,
    first_length=8,
    rounding=0.0,
    worst=0.0,
    gather=0.0,
    gather_last=False,
    lengths=[40, 64, 128, 256],
    rows=256,
    evaluate_every=500,
    time_limit=None,
)

EXPERIMENTS = {}


def add(name, task, model, options=None, **training):
    EXPERIMENTS[name] = {"task": task, "model": model, "options": options or {}, "training": training}


for short, task in TASKS.items():
    for name, (model, options) in MODELS.items():
        long_run = (
            {} if short == "parity" else dict(steps=60000, weight_decay=0.1, lr=1e-3 if model == "xlstm_lm" else 2e-3)
        )
        add("%s-%s" % (short, name), task, model, options, **long_run)
        size = {
            "paper_mamba_lm": {"d_model": 128},
            "xlstm_lm": {"embedding_dim": 128},
            "delta_net": {"hidden_size": 128, "intermediate_size": 512},
        }[model]
        decay = 0.0 if short == "parity" and model != "xlstm_lm" else 0.1
        add(
            "paper/%s-%s" % (short, name),
            task,
            model,
            {**options, **size},
            steps=20000 if short == "parity" else 100000,
            lr=1e-3,
            weight_decay=decay,
            warmup=0.1,
            first_length=None,
            members=1,
            batch=256,
            seed=42,
        )

SIGNED = {"allow_neg_eigval": True, "use_short_conv": False}
PRODUCT = {**SIGNED, "num_hidden_layers": 1}
SMALL = {"hidden_size": 32, "num_heads": 2, "intermediate_size": 64}
WORDS = dict(
    few_letters=0.3, all_by_half=False, first_length=3, weight_decay=0.01, steps=40000, lengths=[40, 64, 128, 256, 512]
)
add(
    "parity-small",
    "parity",
    "delta_net",
    {**SIGNED, "num_hidden_layers": 1, **SMALL},
    members=1,
    batch=32,
    steps=2000,
    evaluate_every=100,
    cooldown=300,
)
add(
    "parity-rounded",
    "parity",
    "delta_net",
    {**SIGNED, "num_hidden_layers": 1, **SMALL},
    rounding=0.25,
    steps=6000,
)
add("parity-kda-neg", "parity", "kda", {**PRODUCT, **SMALL})
add(
    "parity-gated-deltanet-neg",
    "parity",
    "gated_deltanet",
    {**PRODUCT, **SMALL},
)
add("parity-xlstm11", "parity", "xlstm_lm", {"slstm_at": [1]})
add(
    "s3-deltaproduct2-neg",
    "s3",
    "gated_deltaproduct",
    {**PRODUCT, **SMALL},
    **{**WORDS, "members": 12, "batch": 64, "lr": 4e-3, "gather": 0.3, "shorten": True},
)
add("s3-deltaproduct3-neg", "s3", "gated_deltaproduct", {**PRODUCT, "num_householder": 3}, **WORDS)
add(
    "s3-deltaproduct2-pos",
    "s3",
    "gated_deltaproduct",
    {**PRODUCT, "allow_neg_eigval": False},
    **{**WORDS, "steps": 15000},
)
add("s3-deltanet-neg", "s3", "delta_net", {**PRODUCT}, **{**WORDS, "steps": 15000})
add("s3-gated-deltaproduct2-neg", "s3", "gated_deltaproduct", {**PRODUCT, "use_forget_gate": True}, **WORDS)
add("s3-kda-neg", "s3", "kda", {**SIGNED}, **WORDS)
add("s5-swaps-deltanet-neg", "s5-swaps", "delta_net", {**PRODUCT}, **{**WORDS, "length": 32, "gather": 0.3})
LETTERS = {
    **WORDS,
    "batch": 256,
    "steps": 100000,
    "lengths": [16, 40, 64, 128, 256, 512],
    "shorten": True,
    "letter_length": 6,
}
WIDE = {**PRODUCT, "hidden_size": 96, "num_heads": 6, "intermediate_size": 192}
add("s5-deltaproduct4-neg", "s5", "gated_deltaproduct", {**WIDE, "num_householder": 4}, **LETTERS)
# A_5 turns an icosahedron: in three dimensions two reflections a token would do.
add("a5-deltaproduct2-neg", "a5", "gated_deltaproduct", WIDE, **LETTERS)
add("a5-deltaproduct4-neg", "a5", "gated_deltaproduct", {**WIDE, "num_householder": 4}, **LETTERS)
add("z60-deltaproduct2-neg", "z60", "gated_deltaproduct", WIDE, **LETTERS)
add(
    "flipflop-deltanet-pos",
    "flipflop",
    "delta_net",
    {"num_hidden_layers": 1, **SMALL},
)
add("flipflop-mamba-pos", "flipflop", "paper_mamba_lm", {"n_layers": 1, "d_model": 32})
add(
    "abb-gated-deltanet-pos",
    "abb",
    "gated_deltanet",
    {**PRODUCT, "allow_neg_eigval": False, **SMALL},
)
add(
    "aba-deltanet-pos",
    "aba",
    "delta_net",
    {"num_hidden_layers": 1, **SMALL},
)
add(
    "dyck-3-deltanet-neg",
    "dyck-3",
    "delta_net",
    {"allow_neg_eigval": True, "num_hidden_layers": 2, **SMALL},
)
add(
    "dyck-3-deltaproduct4-neg",
    "dyck-3",
    "gated_deltaproduct",
    {**PRODUCT, **SMALL, "num_householder": 4},
    lr=3e-3,
    gather=0.3,
)

# Hybrids of a diagonal and a Householder layer, and either alone, in one shell. DeltaProduct of one step is DeltaNet.
for name, layers in (
    ("mm", ["mamba"] * 2),
    ("dd", ["gated_deltaproduct"] * 2),
    ("md", ["mamba", "gated_deltaproduct"]),
    ("dm", ["gated_deltaproduct", "mamba"]),
):
    for task in ("modular-arithmetic", "s5-swaps", "recall"):
        add(
            "stack-%s-%s" % (name, task),
            task,
            "layer_stack",
            {
                "layer_types": layers,
                **({"positive_and_negative": True} if "mamba" in layers else {}),
                **({"allow_neg_eigval": True} if "gated_deltaproduct" in layers else {}),
            },
            steps=30000,
            weight_decay=0.1 if task == "modular-arithmetic" else 0.01,
            length=24 if task == "recall" else 40,
            first_length=None if task == "recall" else 4,
            lengths=[24] if task == "recall" else [40, 64, 128, 256],
        )
RECALL = dict(length=24, first_length=None, lengths=[24], steps=20000)
for name, (model, options) in {
    **MODELS,
    "kda-neg": ("kda", SIGNED),
    "deltaproduct2-neg": ("gated_deltaproduct", SIGNED),
}.items():
    size = {"paper_mamba_lm": {"d_model": 64}, "xlstm_lm": {"embedding_dim": 64}}.get(model, {})
    add("recall-%s" % name, "recall", model, {**options, **size}, **RECALL)
    for pairs in (16, 32):
        long = dict(length=3 * pairs, lengths=[3 * pairs])
        add("recall-%d-%s" % (pairs, name), "recall-%d" % pairs, model, {**options, **size}, **{**RECALL, **long})


def experiment(name):
    if name not in EXPERIMENTS:
        raise SystemExit("experiment: expected one of\n  %s\ngot %s" % ("\n  ".join(EXPERIMENTS), name))
    e = EXPERIMENTS[name]
    return {**e, "training": {**DEFAULTS, **e["training"]}}
