// label: quick
// The catalogue against the corpus, against direct definitions on all short words, and its errors.
#include "krohn/automata/catalog.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <set>

#include "corpus.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/permutation_group.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

std::string label_of(const Dfa& dfa, const Word& word) {
  return dfa.label_name(dfa.label(dfa.next(dfa.start(), word)));
}

// Every word up to the length: the number of words on which the automaton's label is not the expected one.
std::size_t mismatches(const Dfa& dfa, std::size_t length,
                       const std::function<std::string(const std::string&)>& expected) {
  std::size_t wrong = 0;
  std::vector<Word> words{{}};
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Word word = words[i];
    const std::string text = word.empty() ? "" : dfa.alphabet().format_word(word);
    if (label_of(dfa, word) != expected(text)) ++wrong;
    if (word.size() == length) continue;
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      words.push_back(word);
      words.back().push_back(a);
    }
  }
  return wrong;
}

std::string error_of(const std::string& name) {
  try {
    (void)catalog_language(name);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("catalogue entries equal the corpus symbol for symbol") {
  const std::pair<const char*, const char*> pairs[] = {
      {"parity", "parity"},    {"mod:2", "mod2"},       {"mod:3", "mod3"},           {"mod:5", "mod5"},
      {"mod:7", "mod7"},       {"mod:10", "mod10"},     {"flipflop", "flipflop"},    {"tomita:4", "tomita4"},
      {"tomita:5", "tomita5"}, {"tomita:6", "tomita6"}, {"modarith:3", "modarith3"}, {"modarith:5", "modarith5"},
      {"dyck:1,1", "dyck1_1"}, {"dyck:1,3", "dyck1_3"}, {"dyck:1,6", "dyck1_6"},     {"dyck:2,3", "dyck2_3"},
  };
  for (const auto& [name, id] : pairs) {
    CAPTURE(name);
    CHECK(catalog_language(name) == minimize(corpus::language(id).dfa));
  }
}

TEST_CASE("every listed example builds, is minimal where promised, and is listed once") {
  std::set<std::string> patterns;
  for (const CatalogEntry& entry : catalog_entries()) {
    CAPTURE(entry.pattern);
    const Dfa dfa = catalog_language(entry.example);
    if (!entry.pattern.starts_with("random")) CHECK(minimize(dfa) == dfa);
    CHECK(patterns.insert(std::string(entry.pattern)).second);
    CHECK(entry.description.size() > 10);
    CHECK(entry.description.find('\n') == std::string_view::npos);
  }
}

TEST_CASE("state counts") {
  const std::pair<const char*, std::size_t> counts[] = {
      {"parity", 2},     {"mod:1", 1},        {"mod:12", 12},
      {"cycle:5", 5},    {"Z:6", 6},          {"Z:1", 1},
      {"S:3", 6},        {"S:5", 120},        {"A:4", 12},
      {"A:5", 60},       {"D:4", 8},          {"D:1", 2},
      {"D:2", 4},        {"Q8", 8},           {"Z:2xZ:3", 6},
      {"Z2xS3", 12},     {"word:S5", 120},    {"accept:word:A4", 12},
      {"perm:S5", 5},    {"perm:Z:2xZ:3", 2}, {"tomita:1", 2},
      {"tomita:2", 3},   {"tomita:3", 5},     {"tomita:7", 5},
      {"even-pairs", 5}, {"modarith:5", 19},  {"modarith-answer:5", 56},
      {"dyck:2,3", 16},  {"dyck:1,0", 2},     {"word:Z:1", 1},
  };
  for (const auto& [name, states] : counts) {
    CAPTURE(name);
    CHECK(catalog_language(name).num_states() == states);
  }
  const Dfa s5 = catalog_language("word:S5");
  CHECK(s5.num_symbols() == 120);
  CHECK(s5.label_names().size() == 120);
  CHECK(s5.alphabet().name(119) == "119");
  CHECK(s5.label_name(s5.label(0)) == "0");
}

TEST_CASE("short and long spellings of a group agree") {
  CHECK(catalog_language("S5") == catalog_language("S:5"));
  CHECK(catalog_language("Z2xZ3") == catalog_language("Z:2xZ:3"));
  CHECK(catalog_language("word:Z2xD4") == catalog_language("word:Z:2xD:4"));
  CHECK(catalog_language("Q:8") == catalog_language("Q8"));
}

TEST_CASE("tomita's languages as published, on all words up to length 12") {
  const auto blocks = [](const std::string& w) {
    std::vector<std::string> list;
    for (const char c : w) {
      if (list.empty() || list.back()[0] != c) list.emplace_back();
      list.back() += c;
    }
    return list;
  };
  const auto bit = [](bool b) { return std::string(b ? "1" : "0"); };
  const auto count = [](const std::string& w, char c) { return std::count(w.begin(), w.end(), c); };
  const std::function<std::string(const std::string&)> definitions[] = {
      [&](const std::string& w) { return bit(count(w, '0') == 0); },
      [&](const std::string& w) {
        bool good = w.size() % 2 == 0;
        for (std::size_t i = 0; i < w.size(); ++i) good = good && w[i] == (i % 2 == 0 ? '1' : '0');
        return bit(good);
      },
      [&](const std::string& w) {
        bool odd_ones = false;
        for (const std::string& block : blocks(w)) {
          if (block[0] == '1' && block.size() % 2 == 1) odd_ones = true;
          if (block[0] == '0' && block.size() % 2 == 1 && odd_ones) return bit(false);
        }
        return bit(true);
      },
      [&](const std::string& w) { return bit(w.find("000") == std::string::npos); },
      [&](const std::string& w) { return bit(count(w, '0') % 2 == 0 && count(w, '1') % 2 == 0); },
      [&](const std::string& w) { return bit((count(w, '1') - count(w, '0')) % 3 == 0); },
      [&](const std::string& w) {
        const auto list = blocks(w);
        return bit(list.size() <= (!list.empty() && list[0][0] == '1' ? 3U : 4U));
      },
  };
  for (int i = 1; i <= 7; ++i) {
    CAPTURE(i);
    CHECK(mismatches(catalog_language("tomita:" + std::to_string(i)), 12, definitions[i - 1]) == 0);
  }
  // Strings of the published training sets of number 3.
  const Dfa third = catalog_language("tomita:3");
  for (const char* word : {"", "1", "0", "01", "11", "00", "100", "110", "111", "000", "100100", "110000011100001",
                           "111101100010011100"}) {
    CHECK(label_of(third, third.alphabet().parse_word(word)) == "1");
  }
  for (const char* word : {"10", "101", "010", "1010", "1110", "1011", "10001", "111010", "1001000", "11111000",
                           "0111001101", "11011100110"}) {
    CHECK(label_of(third, third.alphabet().parse_word(word)) == "0");
  }
}

TEST_CASE("even pairs, cycles and brackets on all short words") {
  CHECK(mismatches(catalog_language("even-pairs"), 10, [](const std::string& w) {
          int changes = 0;
          for (std::size_t i = 1; i < w.size(); ++i) changes += w[i] != w[i - 1];
          return std::string(changes % 2 == 0 ? "1" : "0");
        }) == 0);
  CHECK(mismatches(catalog_language("cycle:4"), 8, [](const std::string& w) {
          int sum = 0;
          for (const char c : w) sum += c == '+' ? 1 : c == '-' ? 3 : 0;
          return std::to_string(sum % 4);
        }) == 0);
  CHECK(mismatches(catalog_language("dyck:3,2"), 6, [](const std::string& w) {
          const std::string opening = "([{";
          const std::string closing = ")]}";
          std::string stack;
          for (const char c : w) {
            if (opening.find(c) != std::string::npos) {
              stack += c;
              if (stack.size() > 2) return std::string("0");
            } else if (stack.empty() || opening.find(stack.back()) != closing.find(c)) {
              return std::string("0");
            } else {
              stack.pop_back();
            }
          }
          return std::string(stack.empty() ? "1" : "0");
        }) == 0);
}

TEST_CASE("modular arithmetic on all short words") {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto well_formed = [&](const std::string& w) {
    if (w.size() % 2 == 0) return false;
    for (std::size_t i = 0; i < w.size(); ++i) {
      if (is_digit(w[i]) != (i % 2 == 0) || w[i] == '=') return false;
    }
    return true;
  };
  for (const int m : {1, 2, 3, 4}) {
    CAPTURE(m);
    CHECK(mismatches(catalog_language("modarith:" + std::to_string(m)), 5, [&](const std::string& w) {
            if (!well_formed(w)) return std::string("0");
            int value = w[0] - '0';
            for (std::size_t i = 1; i < w.size(); i += 2) {
              const int d = w[i + 1] - '0';
              value = w[i] == '+' ? value + d : w[i] == '-' ? value - d : value * d;
            }
            return std::string(value % m == 0 ? "1" : "0");
          }) == 0);
    CHECK(mismatches(catalog_language("modarith-answer:" + std::to_string(m)), 6, [&](const std::string& w) {
            if (w.empty() || w.back() != '=' || !well_formed(w.substr(0, w.size() - 1))) return std::string("null");
            int sum = 0;
            int product = w[0] - '0';
            for (std::size_t i = 1; i + 1 < w.size(); i += 2) {
              const int d = w[i + 1] - '0';
              if (w[i] == '*') {
                product *= d;
              } else {
                sum += product;
                product = w[i] == '+' ? d : -d;
              }
            }
            return std::to_string(((sum + product) % m + m) % m);
          }) == 0);
  }
}

// The elements of word:G from the outside: permutations in lexicographic order.
std::vector<std::vector<int>> symmetric_group(int n, bool even_only) {
  std::vector<int> p(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) p[static_cast<std::size_t>(i)] = i;
  std::vector<std::vector<int>> list;
  do {
    int inversions = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      for (std::size_t j = i + 1; j < p.size(); ++j) inversions += p[i] > p[j];
    }
    if (!even_only || inversions % 2 == 0) list.push_back(p);
  } while (std::next_permutation(p.begin(), p.end()));
  return list;
}

TEST_CASE("word:, accept:word: and perm: multiply permutations from left to right") {
  for (const bool even : {false, true}) {
    const std::string group = even ? "A5" : "S4";
    const auto elements = symmetric_group(even ? 5 : 4, even);
    const Dfa word = catalog_language("word:" + group);
    const Dfa accept = catalog_language("accept:word:" + group);
    const Dfa point = catalog_language("perm:" + group);
    REQUIRE(word.num_symbols() == elements.size());
    std::size_t wrong = 0;
    for (Symbol a = 0; a < elements.size(); ++a) {
      for (Symbol b = 0; b < elements.size(); ++b) {
        std::vector<int> composed;
        for (const int image : elements[a]) composed.push_back(elements[b][static_cast<std::size_t>(image)]);
        const auto index = std::find(elements.begin(), elements.end(), composed) - elements.begin();
        wrong += label_of(word, {a, b}) != std::to_string(index);
        wrong += label_of(accept, {a, b}) != (index == 0 ? "1" : "0");
        wrong += label_of(point, {a, b}) != std::to_string(composed[0]);
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("word-left: is the group of the data sets: acc = acc * x with (p * q)[i] = p[q[i]]") {
  for (const bool even : {false, true}) {
    const std::string group = even ? "A5" : "S4";
    const auto elements = symmetric_group(even ? 5 : 4, even);
    const Dfa word = catalog_language("word-left:" + group);
    const Dfa accept = catalog_language("accept:word-left:" + group);
    std::mt19937 random(31);
    std::size_t wrong = 0;
    for (int round = 0; round < 2000; ++round) {
      std::vector<int> product = elements[0];
      Word letters(random() % 6);
      for (Symbol& x : letters) {
        x = static_cast<Symbol>(random() % elements.size());
        std::vector<int> next;
        for (const int image : elements[x]) next.push_back(product[static_cast<std::size_t>(image)]);
        product = next;
      }
      const auto index = std::find(elements.begin(), elements.end(), product) - elements.begin();
      wrong += word.label_name(word.label(word.next(word.start(), letters))) != std::to_string(index);
      wrong += accept.accepts_at(accept.next(accept.start(), letters)) != (index == 0);
    }
    CHECK(wrong == 0);
    CHECK_FALSE(word == catalog_language("word:" + group));
  }
  CHECK(catalog_language("word-left:Z:6") == catalog_language("word:Z:6"));
}

TEST_CASE("Mathieu groups and groups over fields have their orders and names") {
  const auto name_of_points = [](const std::string& group) {
    const Dfa dfa = catalog_language("points:" + group);
    std::vector<Permutation> generators;
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      const std::vector<State> letter = dfa.letter(a);
      generators.push_back(Permutation(letter.begin(), letter.end()));
    }
    const PermutationGroup permutations(dfa.num_states(), generators);
    return std::pair(*permutations.order(), name_group(permutations).name);
  };
  using Found = std::pair<std::uint64_t, std::string>;
  CHECK(name_of_points("M11") == Found{7920, "M_11"});
  CHECK(name_of_points("M12") == Found{95040, "M_12"});
  CHECK(name_of_points("M22") == Found{443520, "M_22"});
  CHECK(name_of_points("M:23") == Found{10200960, "M_23"});
  CHECK(name_of_points("M:24") == Found{244823040, "M_24"});
  CHECK(name_of_points("PSL(2,7)") == Found{168, "PSL(2,7)"});
  CHECK(name_of_points("PSL(2,11)") == Found{660, "PSL(2,11)"});
  CHECK(name_of_points("SL(2,3)") == Found{24, "SL(2,3)"});
  CHECK(name_of_points("SL(2,5)") == Found{120, "SL(2,5)"});
  CHECK(name_of_points("AGL(1,5)") == Found{20, "Z_5:Z_4"});
  CHECK(name_of_points("AGL(1,7)") == Found{42, "Z_7:Z_6"});
  CHECK(name_of_points("S5") == Found{120, "S_5"});
  CHECK(catalog_language("M11").num_states() == 7920);
  CHECK(catalog_language("word:PSL(2,5)").num_states() == 60);
  CHECK(catalog_language("Z:2xSL(2,3)").num_states() == 48);
  CHECK(error_of("M:24").find("expected a group of order at most 1000000") != std::string::npos);
  CHECK(error_of("M:13").find("expected a Mathieu group on 11, 12, 22, 23 or 24 points, got '13'") !=
        std::string::npos);
  CHECK(error_of("PSL(2,9)").find("expected a prime") != std::string::npos);
  CHECK(error_of("SL(2,").find("expected a catalogue name") != std::string::npos);
}

TEST_CASE("group entries satisfy the relations of their groups") {
  const auto is_identity = [](const std::string& name, const std::string& text) {
    const Dfa dfa = catalog_language(name);
    return label_of(dfa, dfa.alphabet().parse_word(text)) == "1";
  };
  CHECK(is_identity("Z:6", "aaaaaa"));
  CHECK_FALSE(is_identity("Z:6", "aaa"));
  CHECK(is_identity("D:5", "aaaaa"));
  CHECK(is_identity("D:5", "bb"));
  CHECK(is_identity("D:5", "abab"));
  CHECK_FALSE(is_identity("D:5", "aab"));
  CHECK(is_identity("Q8", "aaaa"));
  CHECK(is_identity("Q8", "aabb"));  // i^2 = j^2 = -1
  CHECK(is_identity("Q8",
                    "abab"
                    "bb"));  // (ij)^2 = j^2, since k^2 = -1
  CHECK_FALSE(is_identity("Q8", "aa"));
  CHECK(is_identity("S:5", "aa"));
  CHECK(is_identity("S:5", "bbbbb"));
  CHECK(is_identity("S:5", "abababab"));  // (0 1)(0 1 2 3 4) is a 4-cycle
  CHECK(is_identity("Z:2xZ:3",
                    "abab"
                    "abab"
                    "abab"));
  CHECK_FALSE(is_identity("Z:2xZ:3", "ababab"));
  CHECK(is_identity("A:4", "aaa"));
  CHECK(is_identity("A:4", "bbb"));
}

TEST_CASE("random automata follow the specified generator") {
  // The first outputs of splitmix64 from the state 1234567, as published with the generator.
  const std::uint64_t outputs[] = {6457827717110365317ULL, 3203168211198807973ULL, 9817491932198370423ULL,
                                   4593380528125082431ULL, 16408922859458223821ULL};
  const Dfa dfa = catalog_language("random:4294967,1,1234567");
  for (State q = 0; q < 5; ++q) {
    const auto expected =
        static_cast<State>((static_cast<long double>(outputs[q]) / 18446744073709551616.0L) * 4294967.0L);
    CHECK(dfa.next(q, Symbol{0}) == expected);
  }
  const Dfa small = catalog_language("random:2,2,1234567");
  CHECK(small.accepts_at(0) == (outputs[4] >> 63U == 1));
  CHECK(catalog_language("random:20,3,5") == catalog_language("random:20,3,5"));
  CHECK_FALSE(catalog_language("random:20,3,5") == catalog_language("random:20,3,6"));
}

TEST_CASE("unknown names list the nearest; parameters out of range are refused") {
  CHECK(error_of("parrity").find("parity") != std::string::npos);
  CHECK(error_of("flip-flop").find("flipflop") != std::string::npos);
  CHECK(error_of("tomitta:3").find("tomita:i") != std::string::npos);
  CHECK(error_of("wrod:S5").find("word:G") != std::string::npos);
  CHECK(error_of("modarit:3").find("modarith:m") != std::string::npos);
  for (const char* name : {"",
                           "x",
                           ":",
                           "parity:",
                           "parity:2",
                           "mod:",
                           "mod:0",
                           "mod:-1",
                           "mod:1e3",
                           "mod:3 ",
                           "mod:99999999999999999999999",
                           "tomita:0",
                           "tomita:8",
                           "S:",
                           "S:0",
                           "S:10",
                           "S5x",
                           "xS5",
                           "S5xx",
                           "Z:0",
                           "Z:5000",
                           "Q7",
                           "Q16",
                           "word:",
                           "word:parity",
                           "accept:S5",
                           "perm:",
                           "dyck:5,1",
                           "dyck:2",
                           "dyck:2,30",
                           "dyck:2,3,4",
                           "random:0,2,1",
                           "random:5,27,1",
                           "random:10000000,26,1",
                           "random:5,2,18446744073709551616",
                           "modarith:0",
                           "modarith-answer:101",
                           "word:S8",
                           "S9xS9",
                           "Z2xZ2xZ2xZ2xZ2xZ2xZ2xZ2xZ2xZ2xZ2xZ2xZ2xZ2xZ2xZ2xZ2xZ2xZ2xZ2"}) {
    CAPTURE(name);
    CHECK_FALSE(error_of(name).empty());
  }
  CHECK(error_of("mod:0").find("from 1 to 1000000") != std::string::npos);
}

}  // namespace
}  // namespace krohn
