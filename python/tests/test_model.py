"""Models compiled and learned, run, checked, hardened, refuted, measured; JSON against the command line."""

from __future__ import annotations

import itertools
import json
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from conftest import read_safetensors

import krohn


def without_times(document):
    """A report without what differs from run to run."""
    if isinstance(document, dict):
        return {k: without_times(v) for k, v in document.items() if k != "seconds"}
    return [without_times(each) for each in document] if isinstance(document, list) else document


@pytest.mark.parametrize("name", ["re:(aaa)*(bb)*", "word:S3", "flipflop", "tomita:4", "re:(a|b)*abb", "mod:5"])
def test_a_compiled_model_answers_as_its_language(name):
    language = krohn.Language(name)
    model = krohn.compile(language)
    longest = 4 if len(language.alphabet) > 4 else 8
    words = [w for n in range(longest + 1) for w in itertools.product(range(len(language.alphabet)), repeat=n)]
    assert list(model.run(words)) == [language.label(word) for word in words]
    result = krohn.check(model, language)
    assert (result.verdict, result.length, result.word, result.holds) == ("PROVED", None, None, True)
    assert result.certificate.verify(model, language).result == "VERIFIED"
    assert model.language == language
    for format in ("fp16", "bf16"):
        other = model.in_format(format)
        assert other.semantics == f"{format}-state-v1"
        assert krohn.check(other).verdict == "PROVED"


def test_words_come_in_every_form():
    model = krohn.compile("re:(ab|c)*")
    language = krohn.Language("re:(ab|c)*")
    texts = ["", "ab", "abc", "cc", "a", "cab", "abab"]
    expected = [language.label(text) for text in texts]
    assert list(model.run(texts)) == expected
    assert list(model.run([list(text) for text in texts])) == expected
    assert list(model.run(tuple("abc".index(s) for s in text) for text in texts)) == expected
    assert list(model.run(np.array(texts))) == expected
    for dtype in (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64):
        batch = np.array([[0, 1, 2], [2, 2, 2], [0, 0, 1]], dtype=dtype)
        assert list(model.run(batch)) == ["1", "1", "0"]
        assert list(model.run(batch.T[::-1])) == [language.label(row.tolist()) for row in batch.T[::-1]]
    assert len(model.run([])) == 0
    assert model.label("ab") == "1"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (np.zeros((2, 2)), r"words: expected an integer array \[words, length\] of symbol numbers, got float64 \[2, 2\]"),
        (np.zeros(3, dtype=int), r"words: expected an integer array \[words, length\] of symbol numbers, got int64 \[3\]"),
        (np.array([[0, 1], [0, 9]]), r"words\[1\]\[1\]: expected a symbol's number from 0 to 2, got 9"),
        (np.array([[0, -1]]), r"words\[0\]\[1\]: expected a symbol's number from 0 to 2, got -1"),
        (np.array([[0, 2**64 - 1]], dtype=np.uint64), r"words\[0\]\[1\]: expected a symbol's number from 0 to 2, got"),
        (["ab", "ax"], r"words\[1\]: .*column 2"),
        ("ab", "words: expected several words"),
        ([["a", "x"]], r"words\[0\]\[1\]: expected one of the symbols a, b, c, got 'x'"),
        ([[0, 1.5]], r"words\[0\]\[1\]: expected a symbol's name or number, got 1.5"),
        ([7], r"words\[0\]: expected a string, or a sequence of symbols, got 7"),
    ],
)
def test_wrong_words_say_what_is_wanted(words, wanted):
    model = krohn.compile("re:(ab|c)*")
    with pytest.raises(krohn.InputError, match=wanted):
        model.run(words)


def test_all_positions_and_margins():
    model = krohn.compile("parity")
    answers = model.run(np.array([[1, 0, 1], [0, 1, 1]]), all_positions=True, margins=True)
    assert answers.indices.shape == (2, 4)
    assert answers.indices.dtype == np.int32
    assert answers.margins is not None
    assert answers.margins.shape == (2, 4)
    assert answers.margins.dtype == np.float32
    assert answers.at_all_positions(0) == ["0", "1", "1", "0"]
    assert answers.at_all_positions(1) == ["0", "0", "1", "0"]
    ragged = model.run(["1", "011"], all_positions=True)
    assert ragged.indices.shape == (6,)
    assert ragged.at_all_positions(1) == ["0", "0", "1", "0"]
    assert ragged[-1] == "0"
    with pytest.raises(IndexError):
        ragged[2]


def stepped(layer: krohn.Layer, row: int, hidden: np.ndarray) -> np.ndarray:
    """H becomes diag(gate) H, then each factor updates it, then the write is added."""
    h = layer.gates[row][:, None] * hidden
    for k, r, beta, value in zip(layer.keys[row], layer.reads[row], layer.betas[row], layer.values[row], strict=True):
        h = h + np.outer(k, beta * (value - r @ h))
    return h + layer.writes[row]


@pytest.mark.parametrize(
    ("name", "family"),
    [*((name, "any") for name in ("word:S3", "flipflop", "mod:5", "parity", "word:A4")), ("flipflop", "rwkv7-widened"), ("flipflop", "pd")],
)
def test_a_recurrence_in_numpy_carries_the_same_bits(name, family):
    """The dense layers say all that a kernel needs; their arithmetic is exact, so that the order of sums is free."""
    model = krohn.compile(name, family=family)
    assert model.num_layers == 1
    layer = model.layer(0)
    if family == "any":
        assert np.array_equal(layer.reads, layer.keys)

    def carried(word):
        return model.carried(word).view(np.float32)[: layer.initial.size].reshape(layer.initial.shape)

    assert np.array_equal(carried([]), layer.initial)
    assert layer.symbol_rows is not None
    rng = np.random.default_rng(0)
    for _ in range(10):
        word = rng.integers(0, len(model.alphabet), 20).tolist()
        hidden = layer.initial
        for t, symbol in enumerate(word):
            hidden = stepped(layer, layer.symbol_rows[symbol], hidden)
            assert np.array_equal(hidden, carried(word[: t + 1]))


def test_compile_gives_the_report_of_the_command_line(tmp_path, command):
    report = command("compile", "re:(aaa)*(bb)*", "-o", tmp_path / "model", "--keys", "dyadic")
    model = krohn.compile("re:(aaa)*(bb)*", keys="dyadic")
    assert model.report == report
    model.save(tmp_path / "saved")
    for name in ("config.json", "model.safetensors", "hint.safetensors", "automaton.json"):
        assert (tmp_path / "saved" / name).read_bytes() == (tmp_path / "model" / name).read_bytes(), name
    opened = krohn.open_model(tmp_path / "saved", format="bf16")
    assert opened.semantics == "bf16-state-v1"
    assert opened.fingerprint == model.fingerprint
    with pytest.raises(krohn.InputError):
        model.save(tmp_path / "saved")
    model.save(tmp_path / "saved", force=True)
    signed = krohn.compile("Q8", family="kda")
    assert signed.report == command("compile", "Q8", "-o", tmp_path / "signed", "--family", "kda")
    assert krohn.check(signed).verdict == "PROVED"
    with pytest.raises(krohn.InputError) as caught:
        krohn.compile("parity", cascade="Q", keys="x")
    assert [problem.field for problem in caught.value.problems] == ["cascade", "keys"]


@pytest.mark.parametrize(
    ("name", "family", "semantics"),
    [
        ("re:(aaa)*(bb)*", "any", "int8-wrap"),
        ("re:(aaa)*(bb)*", "pd", "int8-saturate"),
        ("word:S3", "any", "int16-wrap"),
        ("Q8", "kda", "int8-wrap"),
        ("tomita:5", "rwkv7-widened", "int16-saturate-state-v1"),
        ("flipflop", "gated_deltaproduct", "int16-saturate"),
    ],
)
def test_integers_are_compiled_for_run_and_proved(tmp_path, command, name, family, semantics):
    language = krohn.Language(name)
    model = krohn.compile(language, family=family, semantics=semantics)
    identity = semantics if semantics.endswith("-v1") else f"{semantics}-state-v1"
    assert model.semantics == identity
    told = command("compile", name, "-o", tmp_path / "told", "--family", family, "--semantics", semantics)
    assert model.report == told
    longest = 3 if len(language.alphabet) > 4 else 7
    words = [w for n in range(longest + 1) for w in itertools.product(range(len(language.alphabet)), repeat=n)]
    assert list(model.run(words)) == [language.label(word) for word in words]
    result = krohn.check(model, language)
    assert (result.verdict, result.semantics) == ("PROVED", identity)
    assert result.certificate.verify(model, language).result == "VERIFIED"
    # The arithmetic stays with the model, in a file, in another process, and beside another arithmetic.
    model.save(tmp_path / "saved")
    assert (tmp_path / "saved" / "config.json").read_bytes() == (tmp_path / "told" / "config.json").read_bytes()
    assert krohn.open_model(tmp_path / "saved").semantics == identity
    assert pickle.loads(pickle.dumps(model)).semantics == identity
    assert krohn.check(model.in_format("fp32"), language).semantics == "fp32-fma-v1"
    model.in_format("bf16").save(tmp_path / "halves")
    assert krohn.open_model(tmp_path / "halves").semantics == "bf16-state-v1"


def test_integer_arithmetic_is_numpys():
    """Sums and products of NumPy's own int8, which wraps, carry what the model carries, though its numbers are small."""
    model = krohn.compile("word:S3", semantics="int8-wrap")
    layer = model.layer(0)
    hidden = layer.initial.astype(np.int8)
    assert layer.symbol_rows is not None
    word = np.random.default_rng(3).integers(0, len(model.alphabet), 30).tolist()
    for t, symbol in enumerate(word):
        row = layer.symbol_rows[symbol]
        hidden = layer.gates[row].astype(np.int8)[:, None] * hidden
        for k, r, beta, value in zip(layer.keys[row], layer.reads[row], layer.betas[row], layer.values[row], strict=True):
            read = value.astype(np.int8) - r.astype(np.int8) @ hidden
            hidden = hidden + np.outer(k.astype(np.int8), np.int8(beta) * read)
        hidden = hidden + layer.writes[row].astype(np.int8)
        assert hidden.dtype == np.int8
        # Integers are carried as the binary32 numbers that they are.
        carried = model.carried(word[: t + 1]).view(np.float32)
        assert np.array_equal(carried[: hidden.size].reshape(hidden.shape), hidden.astype(np.float32))


def test_what_integers_cannot_hold_is_refused():
    with pytest.raises(krohn.InputError, match=r"int8-wrap-state-v1: .*key\[0\]: expected an integer, got 0.5"):
        krohn.compile("word:S3", keys="dyadic", semantics="int8-wrap")
    with pytest.raises(krohn.InputError, match="int16-wrap-state-v1"):
        krohn.compile("mod:7", representation="rotation").in_format("int16-wrap")
    with pytest.raises(krohn.InputError) as caught:
        krohn.compile("parity", family="x", semantics="int4-wrap")
    assert [problem.field for problem in caught.value.problems] == ["family", "semantics"]


@pytest.mark.parametrize("language", ["re:(aaa)*(bb)*", "re:(aaa)*b*"])
def test_check_gives_the_json_of_the_command_line(tmp_path, command, language):
    krohn.compile("re:(aaa)*(bb)*").save(tmp_path / "model")
    told = command("check", tmp_path / "model", language, "--certificate", tmp_path / "certificate")
    result = krohn.check(tmp_path / "model", language)
    assert without_times(result.to_dict()) == without_times(told)
    without = krohn.check(tmp_path / "model", language, failing=False)
    assert without.failing is None
    assert without_times({**result.to_dict(), "failing": None}) == without_times(without.to_dict())
    # The certificate is the command line's, byte for byte: it names model and language alike.
    assert result.certificate.bytes == (tmp_path / "certificate").read_bytes()
    assert command("verify", tmp_path / "certificate")["result"] == "VERIFIED"


def test_what_is_told_of_failing_words_is_so():
    """Every k that a family was run for: the model fails exactly at those that the family names."""
    model = krohn.compile("mod:4")
    language = krohn.Language("parity")
    result = krohn.check(model, language)
    assert result.verdict == "REFUTED" and result.failing is not None
    families = result.failing["families"]
    assert families
    for family in families:
        for k in range(min(family["run_up_to"], 40) + 1):
            word = [*family["before"], *(family["loop"] * k), *family["after"]]
            wrong = model.label(word) != language.label(word)
            if family["from"] is not None and k >= family["from"]:
                assert wrong == ((k - family["from"]) % family["period"] in family["residues"]), (family["text"], k)
            if k < family["first"]:
                assert not wrong, (family["text"], k)
    for entry in result.failing["from_states"]:
        word = [*entry["access"], *(entry["suffix"] or [])]
        assert entry["suffix"] is None or model.label(word) != language.label(word)
    html = result._repr_mimebundle_()["text/html"]
    assert families[0]["failing"] in html


def test_the_other_order_of_the_product_is_hinted_at():
    """word:G applies a new element last, word-left:G first; on a commutative group they are one language."""
    model = krohn.compile("word-left:S3")
    with pytest.warns(krohn.Note, match="word-left:S3"):
        result = krohn.check(model, "word:S3")
    assert result.verdict == "REFUTED"
    assert result.hint is not None and "other order" in result.hint
    assert krohn.check(model, "word-left:S3").hint is None
    commutative = krohn.compile("word:Z:3")
    assert krohn.check(commutative, "word-left:Z:3").verdict == "PROVED"


@pytest.mark.parametrize("language", ["re:(aaa)*(bb)*", "parity", "word:S3"])
def test_a_compiled_model_is_exactly_its_minimal_automaton(language):
    found = krohn.extract(krohn.compile(language), language)
    assert found.status == "exact" and found.equal is True and found.length is None
    assert found.automaton == krohn.Language(language)
    assert found.automaton.num_states == krohn.Language(language).minimal.num_states
    symbols = found.automaton.alphabet
    for state, word in enumerate(found.words):
        reached = found.automaton.start
        for symbol in word:
            reached = found.automaton.delta[reached, symbols.index(symbol)]
        assert reached == state


def test_extract_gives_the_json_of_the_command_line(data, command):
    folder = data / "models" / "parity_delta_net_pos"
    asked = ("--up-to", "6", "--compare", "parity", "--time-limit", "20")
    found = krohn.extract(folder, "parity", up_to=6, time_limit=20)
    # How far a closure without end comes is the clock's.
    clocked = ("rungs", "steps", "queries", "ended_early")
    told = command("extract", folder, *asked)
    assert told.keys() == found.to_dict().keys()
    assert {k: v for k, v in found.to_dict().items() if k not in clocked} == {k: v for k, v in told.items() if k not in clocked}
    # Every word up to the length, against the model itself.
    model = krohn.open_model(folder)
    words = [word for length in range(1, 7) for word in itertools.product(model.alphabet, repeat=length)]
    answers = model.run(words)
    assert [answers[i] for i in range(len(words))] == [found.automaton.label(word) for word in words]
    assert found.certificate is not None
    for i, j, suffix in found.certificate:
        left, right = [*found.words[i], *suffix], [*found.words[j], *suffix]
        assert max(len(left), len(right)) <= 6
        assert model.label(left) != model.label(right)
    assert "svg" in found._repr_mimebundle_()["text/html"]


def test_export_writes_what_the_command_line_writes(tmp_path, command):
    for to in ("fla", "dense", "torch"):
        told = command("export", "word:S3", "--to", to, "-o", tmp_path / f"told-{to}")
        result = krohn.export("word:S3", tmp_path / to, to=to)
        assert {**result.to_dict(), "output": None} == {**told, "output": None}
        written, other = (sorted(p for p in [root, *root.rglob("*")] if p.is_file()) for root in (tmp_path / to, tmp_path / f"told-{to}"))
        assert written
        assert [p.read_bytes() for p in written] == [p.read_bytes() for p in other], to
    assert krohn.check(tmp_path / "fla").verdict == "PROVED"
    model = krohn.compile("parity")
    model.save(tmp_path / "compiled")
    for source in (model, tmp_path / "compiled"):
        assert krohn.export(source, tmp_path / "again", to="dense").parameters > 0
        assert krohn.export(source, tmp_path / "again-fla", force=True).architecture == "delta_net"
    for arguments, field in (
        ({"to": "onnx"}, "to"),
        ({"keys": "dyadic"}, "keys"),
        ({"to": "dense", "architecture": "kda"}, "architecture"),
        ({"architecture": "mamba"}, "architecture"),
        ({"to": "dense", "force": True}, "force"),
        ({"to": "torch", "keys": "odd"}, "keys"),
    ):
        with pytest.raises(krohn.InputError) as caught:
            krohn.export("parity", tmp_path / "none", **arguments)
        assert caught.value.field == field, arguments
    assert not (tmp_path / "none").exists()
    with pytest.raises(krohn.InputError, match="checkpoint"):
        krohn.export(tmp_path / "fla", tmp_path / "none")
    with pytest.raises(krohn.ResourceError, match="parameters"):
        krohn.export("word:S3", tmp_path / "none", max_parameters=100)


def test_a_certificate_of_another_language_is_rejected():
    model = krohn.compile("re:(aaa)*(bb)*")
    certificate = krohn.check(model).certificate
    assert certificate.verify(model, "re:(aaa)*b*").result == "REJECTED"
    damaged = krohn.Certificate(certificate.bytes[:-1] + bytes([certificate.bytes[-1] ^ 1]))
    with pytest.raises(krohn.InputError):
        damaged.verify(model)


def test_a_verdict_is_no_truth_value():
    result = krohn.check(krohn.compile("parity"))
    with pytest.raises(TypeError, match="one of four"):
        bool(result)


def test_checkpoints_without_files_are_those_with_files(data):
    folder = data / "zoo" / "gdn_2l__tomita4"
    arrays = read_safetensors(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    task = json.loads((folder / "task.json").read_text())
    opened = krohn.open_checkpoint(folder)
    live = krohn.open_checkpoint(arrays, config, task=task)
    assert live.fingerprint == opened.fingerprint
    assert np.array_equal(live.logits([0, 1, 1, 0]), opened.logits([0, 1, 1, 0]))
    bare = krohn.open_checkpoint(arrays, config)
    assert not bare.has_task
    assert np.array_equal(bare.logits([0, 1, 1, 0]), opened.logits([0, 1, 1, 0]))
    assert bare.spectrum().heads
    with pytest.raises(krohn.InputError, match="expected a task"):
        bare.run(["01"])
    assert bare.with_task(task).fingerprint == opened.fingerprint
    assert bare.with_task({**task, "automaton": krohn.Language("tomita:4")}).language is not None
    # A missing tensor, a wrong shape and an unknown one are all named.
    name = next(iter(arrays))
    wrong = {**arrays, name: np.zeros((1, 1), dtype=np.float32), "what.is.this": np.zeros(3, dtype=np.float32)}
    with pytest.raises(krohn.InputError) as caught:
        krohn.open_checkpoint(wrong, config)
    assert {name.removeprefix("model."), "what.is.this"} <= {(p.field or "").removeprefix("model.") for p in caught.value.problems}
    with pytest.raises(krohn.InputError, match="expected an array"):
        krohn.open_checkpoint({**arrays, name: "text"}, config)
    with pytest.raises(krohn.InputError, match="config"):
        krohn.open_checkpoint(arrays)


def test_harden_and_refute_are_the_command_lines(data, tmp_path, command):
    folder = data / "zoo" / "gdn_2l__tomita4"
    result = krohn.harden(folder, time_limit=20)
    assert result.verdict == "PROVED"
    assert result.model is not None
    assert result.certificate.verify(result.model).result == "VERIFIED"
    result.save(tmp_path / "hardened")
    assert krohn.check(tmp_path / "hardened").verdict == "PROVED"
    assert krohn.open_model(tmp_path / "hardened").fingerprint == result.model.fingerprint
    shutil.rmtree(tmp_path / "hardened")
    told = command("harden", folder, "-o", tmp_path / "hardened", "--time-limit", "20")
    assert told.keys() == result.to_dict().keys()
    assert told["verdict"] == "PROVED"

    model = data / "models" / "parity_delta_net_pos"
    refuted = krohn.refute(model, "parity")
    assert without_times(refuted.to_dict()) == without_times(command("refute", model, "--theorem", "parity"))
    assert refuted.verdict == "REFUTED"
    opened = krohn.open_model(model)
    assert refuted.word is not None
    assert opened.label(refuted.word) != str(len([s for s in refuted.word if s == "1"]) % 2)
    assert refuted.certificate.verify(opened, "parity").result == "VERIFIED"


def test_harden_takes_compiled_models_that_drift(tmp_path):
    language = "re:(aaaaa)*"
    result = krohn.harden(krohn.compile(language, representation="rotation"), language)
    assert result.verdict == "PROVED"
    assert result.model is not None
    assert result.certificate.verify(result.model, language).result == "VERIFIED"
    result.save(tmp_path / "hardened")
    assert krohn.open_model(tmp_path / "hardened").fingerprint == result.model.fingerprint
    assert [result.model.label("a" * n) for n in range(11)] == ["1" if n % 5 == 0 else "0" for n in range(11)]
    with pytest.raises(krohn.InputError, match="without codes"):
        krohn.harden(result.model, language)
    # Nothing is to be snapped where every state comes back bit for bit.
    assert krohn.harden(krohn.compile("parity"), "parity").verdict == "UNKNOWN"


def test_accuracy_is_the_command_lines(data, command):
    model = data / "models" / "parity_delta_net_pos"
    accuracy = krohn.accuracy(model, lengths=[8, 16], words=64, seed=3)
    told = command("accuracy", model, "--lengths", "8,16", "--words", "64", "--seed", "3")
    assert accuracy.to_dict() == told
    assert [each.length for each in accuracy.lengths] == [8, 16]
    assert krohn.accuracy(model, lengths="8,16", words=64, seed=3).to_dict() == told


def test_progress_tells_stages_and_a_callback_can_end_the_work():
    told = []
    krohn.compile("modarith:5", progress=lambda *news: told.append(news))
    assert any(stage for stage, _, _ in told)

    class Enough(Exception):
        pass

    def refuse(stage, done, total):
        raise Enough

    model = krohn.compile("word:S5")
    with pytest.raises(Enough):
        krohn.check(model, "word:S5", progress=refuse)

    class Bar:
        def __init__(self):
            self.n = self.total = 0
            self.descriptions = []

        def set_description(self, desc=None, refresh=True):
            self.descriptions.append(desc)

        def refresh(self):
            pass

    bar = Bar()
    krohn.check(model, "word:S5", progress=bar)
    assert bar.descriptions


def test_an_interrupt_ends_a_long_call():
    """Ctrl-C in the middle of a check that would take minutes: KeyboardInterrupt, within seconds, and life goes on."""
    program = textwrap.dedent(
        """
        import sys, krohn
        model = krohn.compile("parity")
        print("begins", flush=True)
        try:
            krohn._core.read_language  # the package is whole
            model._core.search_part(None, 40, 0, 1, None, None, "cpu", 1, None)
        except KeyboardInterrupt:
            print("ended", krohn.check(model).verdict, flush=True)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begins\n"
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        pass
    assert process.poll() is None, "the search was over before the interrupt"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert out == "ended PROVED\n"


def test_threads_run_at_once():
    """The lock is released: another thread of Python goes on while a search runs."""
    import threading

    model = krohn.compile("parity")
    counted = []
    over = threading.Event()

    def count():
        while not over.is_set():
            counted.append(1)
            over.wait(0.005)

    thread = threading.Thread(target=count)
    thread.start()
    model._core.search_part(None, 40, 0, 1, None, 0.5, "cpu", 1, None)
    over.set()
    thread.join()
    assert len(counted) > 10


def test_symbols_of_32_bits_are_read_where_they_lie():
    """100,000 words of 1,000 symbols that are one row of memory: 400 MB if they were copied."""
    program = textwrap.dedent(
        """
        import resource, sys
        import numpy as np
        import krohn
        model = krohn.compile("parity")
        rng = np.random.default_rng(0)
        row = rng.integers(0, 2, 1000).astype(sys.argv[1])
        words = np.broadcast_to(row, (100_000, 1000))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answers = model.run(words)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert set(answers.indices.tolist()) == {int(row.sum() % 2)}
        print(after - before)
        """
    )
    for dtype in ("uint32", "int32"):
        done = subprocess.run([sys.executable, "-c", program, dtype], capture_output=True, text=True, check=True)
        assert int(done.stdout) < 100_000, done.stdout  # kB


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_arrays_of_every_integer_type_and_layout_are_the_same_words(dtype):
    model = krohn.compile("re:(aaa)*(bb)*")
    words = np.random.default_rng(1).integers(0, 2, (50, 12)).astype(dtype)
    expected = model.run(words.tolist(), all_positions=True).indices
    for array in (words, np.asfortranarray(words), np.repeat(words, 2, axis=1)[:, ::2], words[::-1][::-1]):
        assert np.array_equal(model.run(array, all_positions=True).indices, expected)
    assert np.array_equal(model.run(words[::-1], all_positions=True).indices, expected[::-1])
    words[3, 4] = 2
    with pytest.raises(krohn.InputError) as caught:
        model.run(words)
    assert str(caught.value) == "words[3][4]: expected a symbol's number from 0 to 1, got 2"
    if dtype.startswith("int"):
        words[3, 4] = -1
        with pytest.raises(krohn.InputError, match=r"words\[3\]\[4\].*got -1"):
            model.run(words)


def test_exceptions_can_be_pickled():
    for kind in (krohn.InputError, krohn.ResourceError, krohn.NumericError, krohn.DeviceError):
        error = pickle.loads(pickle.dumps(kind("a: expected b, got c")))
        assert type(error) is kind
        assert str(error) == "a: expected b, got c"


def test_buffers_and_dlpack_are_read(data):
    """What has a buffer, and what speaks DLPack alone."""

    class Exporter:
        def __init__(self, array):
            self._array = array

        def __dlpack__(self, **options):
            return self._array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self._array.__dlpack_device__()

    folder = data / "models" / "parity_delta_net_neg_noconv_1layer"
    arrays = {name: array.copy() for name, array in read_safetensors(folder / "model.safetensors").items()}
    config = json.loads((folder / "config.json").read_text())
    whole = krohn.open_checkpoint(arrays, config).logits([0, 1, 1])
    for wrap in (memoryview, Exporter):
        live = krohn.open_checkpoint({name: wrap(array) for name, array in arrays.items()}, config)
        assert np.array_equal(live.logits([0, 1, 1]), whole), wrap
