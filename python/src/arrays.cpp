#include "arrays.hpp"

#include <nanobind/stl/string.h>

#include <cstdint>
#include <limits>

#include "krohn/error.hpp"

namespace krohn::python {
namespace {

std::string dtype_text(nb::dlpack::dtype dtype) {
  const auto code = static_cast<nb::dlpack::dtype_code>(dtype.code);
  std::string name = code == nb::dlpack::dtype_code::Int       ? "int"
                     : code == nb::dlpack::dtype_code::UInt    ? "uint"
                     : code == nb::dlpack::dtype_code::Float   ? "float"
                     : code == nb::dlpack::dtype_code::Bfloat  ? "bfloat"
                     : code == nb::dlpack::dtype_code::Complex ? "complex"
                     : code == nb::dlpack::dtype_code::Bool    ? "bool"
                                                               : "another type of ";
  return name == "bool" ? name : name + std::to_string(dtype.bits);
}

Symbol symbol_number(std::int64_t number, const Alphabet& alphabet, const std::string& name) {
  if (number < 0 || static_cast<std::uint64_t>(number) >= alphabet.size()) {
    throw InputError(name + ": expected a symbol's number from 0 to " + std::to_string(alphabet.size() - 1) + ", got " +
                     std::to_string(number));
  }
  return static_cast<Symbol>(number);
}

template <class T>
std::shared_ptr<const Words> words_of_array(const nb::ndarray<nb::ro>& array, const Alphabet& alphabet) {
  const auto* data = static_cast<const T*>(array.data());
  const std::size_t count = array.shape(0);
  const std::size_t length = array.shape(1);
  // Numbers of 32 bits below the alphabet's size are symbols as they stand.
  const bool fits = sizeof(T) == sizeof(Symbol) && (length <= 1 || array.stride(1) == 1);
  auto words = std::make_shared<Words>();
  if (!fits) words->list.assign(count, Word(length));
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t t = 0; t < length; ++t) {
      const T number =
          data[static_cast<std::int64_t>(i) * array.stride(0) + static_cast<std::int64_t>(t) * array.stride(1)];
      const bool beyond = sizeof(T) == 8 &&
                          std::uint64_t(number) > std::uint64_t(std::numeric_limits<std::int64_t>::max()) &&
                          !std::numeric_limits<T>::is_signed;
      if (beyond || number < T(0) || static_cast<std::uint64_t>(number) >= alphabet.size()) {
        const std::string name = "words[" + std::to_string(i) + "][" + std::to_string(t) + "]";
        symbol_number(beyond ? std::numeric_limits<std::int64_t>::max() : static_cast<std::int64_t>(number), alphabet,
                      name);
      }
      if (!fits) words->list[i][t] = static_cast<Symbol>(number);
    }
  }
  if (!fits) {
    words->view = words->list;
    return words;
  }
  words->array = std::shared_ptr<const void>(new nb::ndarray<nb::ro>(array), [](const void* kept) {
    const nb::gil_scoped_acquire acquire;
    delete static_cast<const nb::ndarray<nb::ro>*>(kept);
  });
  words->view = WordBatch(reinterpret_cast<const Symbol*>(data), count, length, array.stride(0));
  return words;
}

bool is_array(nb::handle value) { return nb::hasattr(value, "__dlpack__"); }

}  // namespace

std::string array_type(const nb::ndarray<nb::ro>& array) {
  std::string text = dtype_text(array.dtype()) + " [";
  for (std::size_t i = 0; i < array.ndim(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(array.shape(i));
  return text + "]";
}

std::shared_ptr<const Words> words_from(nb::handle words, const Alphabet& alphabet) {
  if (is_array(words) && nb::hasattr(words, "dtype") && !nb::isinstance<nb::str>(words)) {
    const std::string kind = nb::hasattr(words.attr("dtype"), "kind")
                                 ? nb::cast<std::string>(words.attr("dtype").attr("kind"))
                                 : std::string("i");
    if (kind != "U" && kind != "O" && kind != "T") {
      nb::ndarray<nb::ro> array;
      if (!nb::try_cast(words, array) || array.device_type() != nb::device::cpu::value) {
        throw InputError("words: expected an integer array in the CPU's memory [words, length], got another array");
      }
      const auto code = static_cast<nb::dlpack::dtype_code>(array.dtype().code);
      const bool is_signed = code == nb::dlpack::dtype_code::Int;
      if (array.ndim() != 2 || (!is_signed && code != nb::dlpack::dtype_code::UInt)) {
        throw InputError("words: expected an integer array [words, length] of symbol numbers, got " +
                         array_type(array));
      }
      switch (array.dtype().bits) {
        case 8:
          return is_signed ? words_of_array<std::int8_t>(array, alphabet)
                           : words_of_array<std::uint8_t>(array, alphabet);
        case 16:
          return is_signed ? words_of_array<std::int16_t>(array, alphabet)
                           : words_of_array<std::uint16_t>(array, alphabet);
        case 32:
          return is_signed ? words_of_array<std::int32_t>(array, alphabet)
                           : words_of_array<std::uint32_t>(array, alphabet);
        default:
          return is_signed ? words_of_array<std::int64_t>(array, alphabet)
                           : words_of_array<std::uint64_t>(array, alphabet);
      }
    }
  }
  if (nb::isinstance<nb::str>(words)) {
    throw InputError("words: expected several words, such as a list of strings, got one string");
  }
  auto result = std::make_shared<Words>();
  for (nb::handle word : nb::iter(words)) {
    result->list.push_back(word_from(word, alphabet, "words[" + std::to_string(result->list.size()) + "]"));
  }
  result->view = result->list;
  return result;
}

Word word_from(nb::handle word, const Alphabet& alphabet, const std::string& name) {
  if (nb::isinstance<nb::str>(word)) {
    try {
      return alphabet.parse_word(nb::cast<std::string>(word));
    } catch (const InputError& error) {
      throw InputError(name + ": " + error.problems().front());
    }
  }
  if (!nb::hasattr(word, "__iter__")) {
    throw InputError(name + ": expected a string, or a sequence of symbols, got " +
                     nb::cast<std::string>(nb::repr(word)));
  }
  Word result;
  for (nb::handle symbol : nb::iter(word)) {
    const std::string place = name + "[" + std::to_string(result.size()) + "]";
    if (nb::isinstance<nb::str>(symbol)) {
      const std::string text = nb::cast<std::string>(symbol);
      const auto found = alphabet.find(text);
      if (!found) {
        std::string known;
        for (std::size_t i = 0; i < alphabet.size() && i < 20; ++i) {
          known += (i == 0 ? "" : ", ") + alphabet.name(static_cast<Symbol>(i));
        }
        throw InputError(place + ": expected one of the symbols " + known + (alphabet.size() > 20 ? ", .." : "") +
                         ", got '" + text + "'");
      }
      result.push_back(*found);
      continue;
    }
    PyObject* const number = PyNumber_Index(symbol.ptr());
    if (number == nullptr) {
      PyErr_Clear();
      throw InputError(place + ": expected a symbol's name or number, got " + nb::cast<std::string>(nb::repr(symbol)));
    }
    const nb::object kept = nb::steal(number);
    const long long value = PyLong_AsLongLong(number);
    if (value == -1 && PyErr_Occurred() != nullptr) PyErr_Clear();
    result.push_back(symbol_number(value, alphabet, place));
  }
  return result;
}

nb::tuple word_tuple(const Word& word, const Alphabet& alphabet) {
  nb::list symbols;
  for (const Symbol symbol : word) symbols.append(alphabet.name(symbol));
  return nb::tuple(symbols);
}

}  // namespace krohn::python
