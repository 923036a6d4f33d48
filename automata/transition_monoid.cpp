// Breadth-first enumeration in the order of Froidure and Pin (1997): element by element, letter by letter, so that an
// element is met first by its shortlex least word, whose prefix is the element it was met from. Products are packed
// bytes, shuffled in one instruction up to degree 16 (PSHUFB, dispatched at run time), and looked up in an open
// addressing table of element numbers; products are formed and hashed in blocks, and the table's and the elements'
// cache lines are fetched ahead, which beats avoiding look-ups through the two Cayley graphs in time and memory. The
// letter that led to an element is not stored: it is the first that takes its prefix there.
//
// The left graph needs no look-ups: a (p b) = (a p) b, read off the right graph in the order of the elements.
#include "krohn/automata/transition_monoid.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <string>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define KROHN_HAVE_SHUFFLE 1
#endif

#include "krohn/error.hpp"

namespace krohn {
namespace {

using Word64 = std::uint64_t;

constexpr std::size_t block_products = 256;
constexpr std::size_t max_degree = 65535;

/// products[(e * letters + l) * words ..] = element e then letter l, in packed bytes.
void multiply_bytes(const Word64* elements, std::size_t count, const std::vector<Word64>& letters, std::size_t words,
                    std::size_t degree, Word64* products) {
  const std::size_t num_letters = letters.size() / words;
  for (std::size_t e = 0; e < count; ++e) {
    const auto* x = reinterpret_cast<const unsigned char*>(elements + e * words);
    for (std::size_t l = 0; l < num_letters; ++l, products += words) {
      const auto* letter = reinterpret_cast<const unsigned char*>(letters.data() + l * words);
      products[words - 1] = 0;  // the padding beyond the degree
      auto* out = reinterpret_cast<unsigned char*>(products);
      for (std::size_t q = 0; q < degree; ++q) out[q] = letter[x[q]];
    }
  }
}

/// The same in packed 16-bit integers.
void multiply_shorts(const Word64* elements, std::size_t count, const std::vector<Word64>& letters, std::size_t words,
                     std::size_t degree, Word64* products) {
  const std::size_t num_letters = letters.size() / words;
  for (std::size_t e = 0; e < count; ++e) {
    const auto* x = reinterpret_cast<const std::uint16_t*>(elements + e * words);
    for (std::size_t l = 0; l < num_letters; ++l, products += words) {
      const auto* letter = reinterpret_cast<const std::uint16_t*>(letters.data() + l * words);
      products[words - 1] = 0;
      auto* out = reinterpret_cast<std::uint16_t*>(products);
      for (std::size_t q = 0; q < degree; ++q) out[q] = letter[x[q]];
    }
  }
}

#ifdef KROHN_HAVE_SHUFFLE
// Points are below 16, so no index has its top bit set; the padding bytes hold 0 in elements, and would read the
// letter's image of 0: they are masked.
__attribute__((target("ssse3"))) void multiply_shuffle_1(const Word64* elements, std::size_t count,
                                                         const std::vector<Word64>& letters, std::size_t degree,
                                                         Word64* products) {
  const Word64 mask = degree == 8 ? ~Word64{0} : (Word64{1} << (8 * degree)) - 1;
  for (std::size_t e = 0; e < count; ++e) {
    const __m128i x = _mm_cvtsi64_si128(static_cast<long long>(elements[e]));
    for (const Word64 letter : letters) {
      const __m128i image = _mm_shuffle_epi8(_mm_cvtsi64_si128(static_cast<long long>(letter)), x);
      *products++ = static_cast<Word64>(_mm_cvtsi128_si64(image)) & mask;
    }
  }
}

__attribute__((target("ssse3"))) void multiply_shuffle_2(const Word64* elements, std::size_t count,
                                                         const std::vector<Word64>& letters, std::size_t degree,
                                                         Word64* products) {
  const Word64 mask = degree == 16 ? ~Word64{0} : (Word64{1} << (8 * (degree - 8))) - 1;
  const __m128i keep = _mm_set_epi64x(static_cast<long long>(mask), -1);
  for (std::size_t e = 0; e < count; ++e) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(elements + 2 * e));
    for (std::size_t l = 0; l < letters.size(); l += 2) {
      const __m128i letter = _mm_loadu_si128(reinterpret_cast<const __m128i*>(letters.data() + l));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(products), _mm_and_si128(_mm_shuffle_epi8(letter, x), keep));
      products += 2;
    }
  }
}

bool have_shuffle() {
  static const bool have = __builtin_cpu_supports("ssse3") != 0;
  return have;
}
#endif

inline Word64 mix(Word64 value) {
  value ^= value >> 32U;
  value *= 0xD6E8FEB86659FD93U;
  value ^= value >> 29U;
  return value * 0x9E3779B97F4A7C15U;
}

template <std::size_t W>
inline Word64 hash_of(const Word64* x, std::size_t words) {
  Word64 value = mix(x[0]);
  for (std::size_t w = 1; w < (W == 0 ? words : W); ++w) value = mix(value ^ x[w]);
  return value;
}

template <std::size_t W>
inline bool same(const Word64* x, const Word64* y, std::size_t words) {
  for (std::size_t w = 0; w < (W == 0 ? words : W); ++w) {
    if (x[w] != y[w]) return false;
  }
  return true;
}

}  // namespace

struct TransitionMonoid::Store {
  std::size_t degree = 0;
  std::size_t words = 1;  // 64-bit words an element
  bool wide = false;      // 16-bit points
  bool complete = true;
  std::size_t max_elements = 0;
  std::vector<Word64> letters;
  std::size_t num_letters = 0;
  std::vector<Word64> elements;
  std::vector<std::uint32_t> prefix;  // the element it was met from
  std::vector<std::uint32_t> table;   // element numbers; size a power of two
  unsigned shift = 0;                 // slot = hash >> shift
  std::vector<std::uint32_t> right;
  std::vector<std::uint32_t> left;

  std::size_t size() const { return prefix.size(); }
  const Word64* at(std::size_t index) const { return elements.data() + index * words; }

  std::vector<Word64> pack(std::span<const std::uint32_t> f) const {
    std::vector<Word64> packed(words, 0);
    for (std::size_t q = 0; q < degree; ++q) {
      if (wide) {
        reinterpret_cast<std::uint16_t*>(packed.data())[q] = static_cast<std::uint16_t>(f[q]);
      } else {
        reinterpret_cast<unsigned char*>(packed.data())[q] = static_cast<unsigned char>(f[q]);
      }
    }
    return packed;
  }

  void multiply(const Word64* x, std::size_t count, Word64* products) const {
#ifdef KROHN_HAVE_SHUFFLE
    if (degree <= 16 && have_shuffle()) {
      if (words == 1) return multiply_shuffle_1(x, count, letters, degree, products);
      return multiply_shuffle_2(x, count, letters, degree, products);
    }
#endif
    if (wide) return multiply_shorts(x, count, letters, words, degree, products);
    multiply_bytes(x, count, letters, words, degree, products);
  }

  template <std::size_t W>
  void resize_table(std::size_t slots) {
    table.clear();
    table.shrink_to_fit();
    table.resize(slots, none);
    shift = 64U - static_cast<unsigned>(std::countr_zero(slots));
    const std::size_t mask = slots - 1;
    constexpr std::size_t ahead = 16;
    std::size_t slot_ahead[ahead];
    for (std::size_t i = 0; i < size(); i += ahead) {
      const std::size_t count = std::min(ahead, size() - i);
      for (std::size_t k = 0; k < count; ++k) {
        slot_ahead[k] = static_cast<std::size_t>(hash_of<W>(at(i + k), words) >> shift);
        __builtin_prefetch(&table[slot_ahead[k]], 1);
      }
      for (std::size_t k = 0; k < count; ++k) {
        std::size_t slot = slot_ahead[k];
        while (table[slot] != none) slot = (slot + 1) & mask;
        table[slot] = static_cast<std::uint32_t>(i + k);
      }
    }
  }

  /// The element's number or, negated by `none`, the free slot where it would go.
  template <std::size_t W>
  std::uint32_t lookup(const Word64* x, std::size_t& slot) const {
    const std::size_t mask = table.size() - 1;
    for (;; slot = (slot + 1) & mask) {
      const std::uint32_t index = table[slot];
      if (index == none || same<W>(at(index), x, words)) return index;
    }
  }

  template <std::size_t W>
  void enumerate(bool keep_right) {
    resize_table<W>(64);
    Transformation identity = identity_transformation(degree);
    const std::vector<Word64> packed = pack(identity);
    append(packed.data(), 0);
    table[static_cast<std::size_t>(hash_of<W>(packed.data(), words) >> shift)] = 0;
    if (num_letters == 0) return;
    const std::size_t block = std::max<std::size_t>(1, block_products / num_letters);
    std::vector<Word64> products(block * num_letters * words);
    std::vector<std::size_t> slots(block * num_letters);
    for (std::size_t first = 0, count = 0; first < size(); first += count) {
      count = std::min(block, size() - first);
      const std::size_t total = count * num_letters;
      // At most `total` insertions: grow now, so that the slots below stay valid. A load of at most 5/8.
      if (8 * (size() + total) > 5 * table.size()) resize_table<W>(table.size() * 2);
      if (8 * (size() + total) > 5 * table.size()) resize_table<W>(std::bit_ceil(2 * (size() + total)));
      multiply(at(first), count, products.data());
      for (std::size_t k = 0; k < total; ++k) {
        slots[k] = static_cast<std::size_t>(hash_of<W>(products.data() + k * words, words) >> shift);
        __builtin_prefetch(&table[slots[k]]);
      }
      for (std::size_t k = 0; k < total; ++k) {
        const std::uint32_t guess = table[slots[k]];
        if (guess != none) __builtin_prefetch(at(guess));
      }
      for (std::size_t k = 0; k < total; ++k) {
        const Word64* x = products.data() + k * words;
        std::size_t slot = slots[k];
        std::uint32_t index = lookup<W>(x, slot);
        if (index == none) {
          if (size() >= max_elements) {
            complete = false;
            if (!keep_right) return;
          } else {
            index = static_cast<std::uint32_t>(size());
            table[slot] = index;
            append(x, static_cast<std::uint32_t>(first + k / num_letters));
          }
        }
        if (keep_right) right.push_back(index);
      }
    }
  }

  void append(const Word64* x, std::uint32_t from) {
    if (words == 1) {
      elements.push_back(*x);
    } else {
      elements.insert(elements.end(), x, x + words);
    }
    prefix.push_back(from);
  }

  /// The letter by which an element other than the identity was met.
  std::uint32_t last_letter(std::uint32_t index) const {
    std::vector<Word64> products(num_letters * words);
    multiply(at(prefix[index]), 1, products.data());
    for (std::uint32_t l = 0; l < num_letters; ++l) {
      if (same<0>(products.data() + l * words, at(index), words)) return l;
    }
    throw InternalError("transition monoid: an element is no product of its prefix");
  }

  void build_left() {
    left.resize(size() * num_letters, none);
    for (std::size_t l = 0; l < num_letters; ++l) left[l] = right[l];  // letter * identity = identity * letter
    for (std::uint32_t x = 1; x < size(); ++x) {
      const std::uint32_t p = prefix[x];
      std::uint32_t b = 0;
      while (right[p * num_letters + b] != x) ++b;
      for (std::size_t a = 0; a < num_letters; ++a) {
        const std::uint32_t ap = left[p * num_letters + a];
        if (ap != none) left[x * num_letters + a] = right[ap * num_letters + b];
      }
    }
  }
};

TransitionMonoid::TransitionMonoid(std::size_t degree, const std::vector<Transformation>& letters,
                                   const MonoidOptions& options)
    : store_(std::make_unique<Store>()) {
  if (degree > max_degree) {
    throw InputError("degree: expected at most " + std::to_string(max_degree) + ", got " + std::to_string(degree));
  }
  for (std::size_t l = 0; l < letters.size(); ++l) {
    if (letters[l].size() != degree ||
        std::any_of(letters[l].begin(), letters[l].end(), [&](std::uint32_t q) { return q >= degree; })) {
      throw InputError("letters[" + std::to_string(l) + "]: expected a transformation of " + std::to_string(degree) +
                       " points");
    }
  }
  Store& store = *store_;
  store.degree = degree;
  store.wide = degree > 256;
  store.words = std::max<std::size_t>(1, ((store.wide ? 2 : 1) * degree + 7) / 8);
  store.max_elements = std::clamp<std::size_t>(options.max_elements, 1, none - 1);
  store.num_letters = letters.size();
  for (const Transformation& letter : letters) {
    const std::vector<Word64> packed = store.pack(letter);
    store.letters.insert(store.letters.end(), packed.begin(), packed.end());
  }
  const bool keep_right = options.right_graph || options.left_graph;
  if (store.words == 1) {
    store.enumerate<1>(keep_right);
  } else if (store.words == 2) {
    store.enumerate<2>(keep_right);
  } else {
    store.enumerate<0>(keep_right);
  }
  if (options.left_graph) store.build_left();
}

TransitionMonoid::~TransitionMonoid() = default;
TransitionMonoid::TransitionMonoid(TransitionMonoid&&) noexcept = default;
TransitionMonoid& TransitionMonoid::operator=(TransitionMonoid&&) noexcept = default;

bool TransitionMonoid::complete() const noexcept { return store_->complete; }
std::size_t TransitionMonoid::size() const noexcept { return store_->size(); }
std::size_t TransitionMonoid::degree() const noexcept { return store_->degree; }
std::size_t TransitionMonoid::num_letters() const noexcept { return store_->num_letters; }

Transformation TransitionMonoid::element(std::uint32_t index) const {
  if (index >= size()) throw InputError("element: expected a number below " + std::to_string(size()));
  Transformation f(degree());
  for (std::size_t q = 0; q < f.size(); ++q) {
    f[q] = store_->wide ? reinterpret_cast<const std::uint16_t*>(store_->at(index))[q]
                        : reinterpret_cast<const unsigned char*>(store_->at(index))[q];
  }
  return f;
}

std::vector<std::uint32_t> TransitionMonoid::word(std::uint32_t index) const {
  if (index >= size()) throw InputError("element: expected a number below " + std::to_string(size()));
  std::vector<std::uint32_t> letters;
  for (; index != 0; index = store_->prefix[index]) letters.push_back(store_->last_letter(index));
  std::reverse(letters.begin(), letters.end());
  return letters;
}

std::uint32_t TransitionMonoid::find(std::span<const std::uint32_t> transformation) const {
  if (transformation.size() != degree() ||
      std::any_of(transformation.begin(), transformation.end(), [&](std::uint32_t q) { return q >= degree(); })) {
    return none;
  }
  const std::vector<Word64> packed = store_->pack(transformation);
  std::size_t slot = static_cast<std::size_t>(hash_of<0>(packed.data(), store_->words) >> store_->shift);
  return store_->lookup<0>(packed.data(), slot);
}

std::uint32_t TransitionMonoid::right(std::uint32_t index, std::size_t letter) const {
  if (store_->right.empty()) throw InputError("right graph: expected MonoidOptions::right_graph");
  return store_->right.at(index * num_letters() + letter);
}

std::uint32_t TransitionMonoid::left(std::uint32_t index, std::size_t letter) const {
  if (store_->left.empty()) throw InputError("left graph: expected MonoidOptions::left_graph");
  return store_->left.at(index * num_letters() + letter);
}

}  // namespace krohn
