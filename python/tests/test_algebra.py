"""Monoids, egg boxes and cascades against their definitions; JSON against the command line."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

import krohn

LANGUAGES = ["re:(ab)*", "re:(aaa)*(bb)*", "re:(a|b)*abb", "flipflop", "S:3", "re:a(a|b)*", "random:4,2,5", "mod:6"]


def transformation(language: krohn.Language, word) -> tuple[int, ...]:
    index = {symbol: i for i, symbol in enumerate(language.alphabet)}
    images = list(range(language.num_states))
    for symbol in word:
        images = [int(language.delta[q, index[symbol]]) for q in images]
    return tuple(images)


def brute_force(language: krohn.Language) -> set[tuple[int, ...]]:
    letters = [tuple(int(q) for q in language.delta[:, a]) for a in range(len(language.alphabet))]
    found = {tuple(range(language.num_states))}
    queue = list(found)
    while queue:
        f = queue.pop()
        for g in letters:
            product = tuple(g[q] for q in f)
            if product not in found:
                found.add(product)
                queue.append(product)
    return found


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_monoid_is_what_its_words_generate(name):
    monoid = krohn.Language(name).monoid()
    minimal = monoid.language
    elements = [tuple(int(q) for q in element.transformation) for element in monoid]
    assert set(elements) == brute_force(minimal)
    assert len(set(elements)) == len(monoid)
    assert monoid.complete
    for element, images in zip(monoid, elements, strict=True):
        assert transformation(minimal, element.word) == images
        assert monoid.of(element.word) == element
        # No shorter word gives it.
        for length in range(min(len(element.word), 4)):
            for word in itertools.product(minimal.alphabet, repeat=length):
                assert transformation(minimal, word) != images
    table = monoid.table()
    for x, y in itertools.product(range(len(monoid)), repeat=2):
        assert elements[table[x, y]] == tuple(elements[y][q] for q in elements[x])
        if x * y < 50:
            assert monoid[x] * monoid[y] == monoid[int(table[x, y])]
    squares = [i for i, f in enumerate(elements) if tuple(f[q] for q in f) == f]
    assert [element.index for element in monoid.idempotents] == squares
    assert all(element.is_idempotent for element in monoid.idempotents)


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_presentation_brings_words_to_least_words(name):
    monoid = krohn.Language(name).monoid()
    random = np.random.default_rng(0)
    for _ in range(100):
        word = [monoid.language.alphabet[i] for i in random.integers(0, len(monoid.language.alphabet), 15)]
        assert monoid.presentation.reduce(word) == monoid.of(word).word
    for left, right in monoid.presentation:
        assert transformation(monoid.language, left) == transformation(monoid.language, right)
    assert repr(monoid.presentation).startswith("< ")


def test_a_cut_monoid_says_so():
    monoid = krohn.Language("S:5").monoid(max_elements=20)
    assert not monoid.complete
    assert len(monoid) == 20
    with pytest.raises(krohn.InputError, match="all elements"):
        monoid.presentation  # noqa: B018
    with pytest.raises(krohn.ResourceError, match="max_elements"):
        krohn.Language("S:4").monoid().table(max_elements=5)


@pytest.mark.parametrize("name", LANGUAGES)
def test_egg_boxes_count_the_monoid(name):
    language = krohn.Language(name)
    boxes, monoid = language.egg_boxes(), language.monoid()
    assert sum(box.size for box in boxes) == len(monoid)
    assert sum(mark for box in boxes if box.idempotents for row in box.idempotents for mark in row) == len(monoid.idempotents)
    for box in boxes:
        assert box.regular == (box.idempotents is not None)
        if box.idempotents is not None:
            assert (len(box.idempotents), len(box.idempotents[0])) == (box.r_classes, box.l_classes)


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_cascade_emulates_the_automaton(name):
    language = krohn.Language(name)
    for mode in ("auto", "R", "Z", "G"):
        cascade = language.cascade(mode)
        minimal = cascade.language
        assert cascade.depth == len(cascade.levels) <= max(1, minimal.num_states - 1) or mode == "G"
        random = np.random.default_rng(1)
        for _ in range(20):
            word = random.integers(0, len(minimal.alphabet), 12).tolist()
            state = minimal.start
            for coordinates, symbol in zip(cascade.run(word), [None, *word], strict=True):
                if symbol is not None:
                    state = int(minimal.delta[state, symbol])
                assert cascade.decode(coordinates) == state
        for level in cascade.levels:
            assert all(sorted(g) == list(range(level.width)) for g in level.generators)
            assert (level.group == "1") == (level.order == 1) == (not level.generators)


def generated(generators: list[list[int]], width: int) -> int:
    """The order of the group, by listing it."""
    found = {tuple(range(width))}
    queue = list(found)
    while queue:
        f = queue.pop()
        for g in generators:
            product = tuple(g[i] for i in f)
            if product not in found:
                found.add(product)
                queue.append(product)
    return len(found)


def test_levels_have_the_groups_of_their_permutations():
    names = set()
    for name in [*LANGUAGES, "S:4", "D:5", "re:((aa)*b)*"]:
        cascade = krohn.Language(name).cascade()
        document = json.loads(cascade.json)
        assert [level["group"] for level in document["levels"]] == [level.group for level in cascade.levels]
        for state, coordinates in enumerate(document["states_at"]):
            assert coordinates is not None
            assert cascade.decode(coordinates) == state
        for level in cascade.levels:
            assert level.order == generated(level.generators, level.width)
            names.add(level.group)
    assert {"1", "Z_2", "Z_3", "S_4"} <= names
    with pytest.raises(krohn.InputError, match="mode: expected one of auto, G, R, Z, got 'Q'"):
        krohn.Language("parity").cascade("Q")


@pytest.mark.parametrize("name", [*LANGUAGES, "re:(aa)*", "S:5", "word:Z3", "dyck:1,3"])
def test_classify_gives_the_json_of_the_command_line(name, command):
    classified = krohn.classify(name)
    assert classified.to_dict() == command("classify", name)
    assert json.loads(classified.json) == classified.to_dict()


def test_flags_and_classes():
    def facts(name):
        c = krohn.classify(name)
        return (c.is_r_trivial, c.is_l_trivial, c.is_j_trivial, c.is_da, c.circuit_class)

    assert facts("re:(a|b)*a(a|b)*b(a|b)*") == (True, True, True, True, "AC0")
    assert facts("re:a(a|b|c)*") == (True, False, False, True, "AC0")
    assert facts("re:(a|b|c)*a") == (False, True, False, True, "AC0")
    assert facts("re:(aa)*") == (False, False, False, False, "AC0")
    assert facts("parity")[4] == "ACC0"
    assert facts("S:5")[4] == "NC1"
    assert krohn.classify("S:5").subgroups == ["S_5"]
    families = {d.family: d.answer for d in krohn.classify("parity").families}
    assert families["diagonal or triangular, [0,1]"] == "no"
