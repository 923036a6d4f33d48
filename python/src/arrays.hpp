// NumPy in and out without copies: vectors become arrays that own them, parts of bound values become views.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <complex>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "krohn/engine/word_batch.hpp"

namespace krohn::python {

namespace nb = nanobind;

/// An array that owns `values`.
template <class T>
nb::ndarray<nb::numpy, T> array_of(std::vector<T> values, const std::vector<std::size_t>& shape) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::ndarray<nb::numpy, T>(kept->data(), shape.size(), shape.data(), owner);
}

/// "float64 [3, 4]", for messages.
std::string array_type(const nb::ndarray<nb::ro>& array);

/// Words, and what keeps them alive.
struct Words {
  std::vector<Word> list;
  /// Whoever drops it asks for the interpreter's lock.
  std::shared_ptr<const void> array;
  WordBatch view;
};

/// Words out of what Python has: an integer array [words, length] of symbol numbers, which is read where it lies if its
/// numbers have 32 bits and those of a word lie side by side; or an iterable of words, each a text as
/// Alphabet::parse_word reads it or a sequence of symbols' names or numbers. Throws InputError that names the word and
/// what was expected.
std::shared_ptr<const Words> words_from(nb::handle words, const Alphabet& alphabet);

/// One word, as above.
Word word_from(nb::handle word, const Alphabet& alphabet, const std::string& name);

/// The names of the word's symbols.
nb::tuple word_tuple(const Word& word, const Alphabet& alphabet);

}  // namespace krohn::python
