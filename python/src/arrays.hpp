// NumPy in and out without copies: vectors become arrays that own them, parts of bound values become views.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <complex>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "krohn/automata/alphabet.hpp"

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

/// Words out of what Python has: an integer array [words, length] of symbol numbers, or an iterable of words, each a
/// text as Alphabet::parse_word reads it or a sequence of symbols' names or numbers. Throws InputError that names the
/// word and what was expected.
std::vector<Word> words_from(nb::handle words, const Alphabet& alphabet);

/// One word, as above.
Word word_from(nb::handle word, const Alphabet& alphabet, const std::string& name);

/// The names of the word's symbols.
nb::tuple word_tuple(const Word& word, const Alphabet& alphabet);

}  // namespace krohn::python
