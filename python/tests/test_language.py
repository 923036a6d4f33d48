"""Languages against Python's own regular expressions, permutations and sets of words."""

from __future__ import annotations

import itertools
import pickle
import re
import warnings

import numpy as np
import pytest

import krohn


def words(symbols: str, longest: int):
    for length in range(longest + 1):
        yield from map("".join, itertools.product(symbols, repeat=length))


@pytest.mark.parametrize("pattern", ["(aaa)*(bb)*", "(a|b)*abb", "a?b{2,3}", "(ab|ba)*a", "[ab]*a[ab]{2}"])
def test_an_expression_means_what_python_means(pattern):
    language = krohn.Language("re:" + pattern, alphabet="ab")
    for word in words("ab", 9):
        assert (word in language) == bool(re.fullmatch(pattern, word)), word


def test_boolean_operations_are_those_of_sets():
    a, b = krohn.Language("re:(a|b)*a"), krohn.Language("re:(aa|b)*", alphabet="ab")
    for word in words("ab", 8):
        x, y = word in a, word in b
        assert (word in (a & b), word in (a | b), word in (a - b), word in (a ^ b), word in ~a) == (
            x and y,
            x or y,
            x and not y,
            x != y,
            not x,
        )
    assert (a & b) == (b & a)
    assert hash(a & b) == hash(b & a)
    assert ~(a | b) == ~a & ~b
    assert a != b
    assert a - a == b - b
    word = a.separating_word(b)
    assert word is not None
    # The first in shortlex order.
    first = next(w for w in words("ab", 8) if (w in a) != (w in b))
    assert "".join(word) == first


def test_word_problems_multiply_permutations():
    language = krohn.Language("word:S3")
    elements = list(itertools.permutations(range(3)))
    for word in itertools.product(range(6), repeat=3):
        at = (0, 1, 2)
        for number in word:
            at = tuple(elements[number][i] for i in at)
        assert language.label(word) == str(elements.index(at))
        assert language.label([str(number) for number in word]) == str(elements.index(at))


def test_a_table_is_read_and_seen_without_copies():
    delta = np.array([[1, 0], [0, 1]], dtype=np.uint32)
    language = krohn.Language.from_table(delta, accepting=[1], alphabet="ab")
    for word in words("ab", 6):
        assert (word in language) == (word.count("a") % 2 == 1)
    assert language.delta.dtype == np.uint32
    assert np.array_equal(language.delta, delta)
    # A view of the automaton's own memory, each time the same, that cannot be written and outlives the language.
    view = language.delta
    assert view.__array_interface__["data"][0] == language.delta.__array_interface__["data"][0]
    with pytest.raises(ValueError):
        view[0, 0] = 1
    del language
    assert np.array_equal(view, delta)
    assert krohn.Language.from_table(delta, accepting=np.array([False, True]), alphabet="ab") == (
        krohn.Language.from_table(delta.astype(np.int16), labels=[0, 1], alphabet=["a", "b"])
    )
    moore = krohn.Language.from_table([[1], [2], [0]], labels=["x", None, "y"])
    assert [moore.label([0] * n) for n in range(4)] == ["x", None, "y", "x"]
    assert moore.state_labels == ("x", None, "y")


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"delta": np.zeros((2, 2)), "accepting": [0]}, r"delta: expected an integer array \[states, symbols\], got float64 \[2, 2\]"),
        ({"delta": [0, 1], "accepting": [0]}, r"delta: expected an integer array \[states, symbols\], got int64 \[2\]"),
        ({"delta": [[0, 2], [0, 1]], "accepting": [0]}, "delta: expected states from 0 to 1, got 2"),
        ({"delta": [[0, 1], [-1, 1]], "accepting": [0]}, "delta: expected states from 0 to 1, got -1"),
        ({"delta": [[0]], "accepting": [1]}, "accepting: expected states from 0 to 0"),
        ({"delta": [[0]], "accepting": [0.5]}, r"accepting: expected bool \[1\] or a list of states, got float64 \[1\]"),
        ({"delta": [[0]]}, "labels: expected either accepting or labels, got neither"),
        ({"delta": [[0]], "labels": [1, 2]}, "labels: expected 1, one a state, got 2"),
        ({"delta": [[0]], "labels": [1], "alphabet": "ab"}, "alphabet: expected 1 symbols"),
        ({"delta": [[0]], "labels": [1], "start": 3}, "start: expected a state from 0 to 0, got 3"),
    ],
)
def test_a_wrong_table_says_what_is_wanted(arguments, wanted):
    with pytest.raises(krohn.InputError, match=wanted):
        krohn.Language.from_table(**arguments)


def test_files_go_out_and_come_back(tmp_path):
    language = krohn.Language("re:(ab|c)*")
    for suffix in (".json", ".att", ".mata", ".jff", ".hoa", ".dot"):
        path = tmp_path / ("language" + suffix)
        language.write(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", krohn.Note)
            assert krohn.Language(path) == language, suffix
    assert pickle.loads(pickle.dumps(language)) == language


def test_errors_have_file_field_expected_and_got(tmp_path):
    path = tmp_path / "wrong.json"
    path.write_text('{"format": "krohn-automaton-v1", "alphabet": ["a"], "start": 7,\n "transitions": [[0]], "accepting": [5]}')
    with pytest.raises(krohn.InputError) as caught:
        krohn.Language(path)
    error = caught.value
    assert isinstance(error, ValueError)
    assert len(error.problems) == 2
    assert {(p.file, p.line, p.field) for p in error.problems} == {(str(path), 1, "/start"), (str(path), 2, "/accepting/0")}
    assert error.file == str(path)
    assert error.got == "7"
    assert error.expected == "an integer from 0 to 0"
    again = pickle.loads(pickle.dumps(error))
    assert again.problems == error.problems
    with pytest.raises(krohn.InputError, match="did you mean|nearest|expected"):
        krohn.Language("parityy")
    with pytest.raises(krohn.InputError, match="column"):
        krohn.Language("re:(ab")
    with pytest.raises(krohn.InputError, match="got object"):
        krohn.Language(object())
    with pytest.raises(krohn.InputError, match="acceptor"):
        "0" in krohn.Language("word:S3")  # noqa: B015
    with pytest.raises(krohn.InputError, match=r"word\[1\]: expected one of the symbols a, b, got 'c'"):
        krohn.Language("re:(ab)*").label(["a", "c"])


def test_what_was_done_to_a_text_is_a_warning(tmp_path):
    path = tmp_path / "partial.json"
    path.write_text('{"format": "krohn-automaton-v1", "alphabet": ["a"], "start": 0, "transitions": [[null]], "accepting": [0]}')
    with pytest.warns(krohn.Note, match="completed with a sink"):
        language = krohn.Language(path)
    assert "completed with a sink" in language.notes[0]


class _State:
    def __init__(self, **values):
        self.__dict__.update(values)


def test_automata_like_those_of_automata_lib():
    nfa = _State(
        states={0, 1, 2},
        input_symbols={"a", "b"},
        transitions={0: {"a": {0, 1}, "b": {0}, "": {2}}, 1: {"b": {2}}, 2: {"b": {2}}},
        initial_state=0,
        final_states={2},
    )
    language = krohn.Language(nfa)

    def accepts(word):
        def closed(states):
            return states | ({2} if 0 in states else set())

        at = closed({0})
        for symbol in word:
            at = closed({t for s in at for t in nfa.transitions.get(s, {}).get(symbol, ())})
        return bool(at & {2})

    for word in words("ab", 7):
        assert (word in language) == accepts(word), word
    partial = _State(input_symbols={"a", "b"}, transitions={"p": {"a": "p"}}, initial_state="p", final_states={"p"}, states={"p"})
    with pytest.warns(krohn.Note, match="1 missing transitions completed with a sink, state 1"):
        assert krohn.Language(partial) == krohn.Language("re:a*", alphabet="ab")


def test_automata_like_those_of_aalpy():
    even, odd = _State(is_accepting=True), _State(is_accepting=False)
    even.transitions, odd.transitions = {"a": odd, "b": even}, {"a": even, "b": odd}
    language = krohn.Language(_State(initial_state=even, states=[even, odd]))
    for word in words("ab", 6):
        assert (word in language) == (word.count("a") % 2 == 0)
    zero, one = _State(output=0), _State(output=1)
    zero.transitions, one.transitions = {1: one}, {1: zero}
    moore = krohn.Language(_State(initial_state=zero, states=[zero, one]))
    assert [moore.label(["1"] * n) for n in range(4)] == ["0", "1", "0", "1"]
    mealy = _State(output_fun={}, transitions={"a": None})
    with pytest.raises(krohn.InputError, match="Moore"):
        krohn.Language(_State(initial_state=mealy, states=[mealy]))


def test_the_real_libraries():
    automata = pytest.importorskip("automata.fa.dfa")
    dfa = automata.DFA(
        states={"q0", "q1"},
        input_symbols={"0", "1"},
        transitions={"q0": {"0": "q0", "1": "q1"}, "q1": {"0": "q1", "1": "q0"}},
        initial_state="q0",
        final_states={"q1"},
    )
    assert krohn.Language(dfa) == krohn.Language("parity")
    aalpy = pytest.importorskip("aalpy.automata")
    states = [aalpy.DfaState("a", False), aalpy.DfaState("b", True)]
    for state, other in zip(states, reversed(states), strict=True):
        state.transitions = {"0": state, "1": other}
    assert krohn.Language(aalpy.Dfa(states[0], states)) == krohn.Language("parity")


def test_the_catalogue_names_what_can_be_opened():
    assert len(krohn.catalogue()) > 10
    for pattern, description, example in krohn.catalogue():
        assert description
        assert krohn.Language(example).num_states >= 1, pattern
