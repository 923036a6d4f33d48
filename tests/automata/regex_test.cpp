// label: quick
// Regular expressions: the corpus, an independent matcher on all short words, precedence, and error columns.
#include "krohn/automata/regex.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "corpus.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

std::string error_of(std::string_view pattern, const std::optional<Alphabet>& alphabet = std::nullopt) {
  try {
    (void)parse_regex(pattern, alphabet);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

bool same(std::string_view a, std::string_view b, std::string_view alphabet = "ab") {
  const Alphabet symbols = Alphabet::of_characters(alphabet);
  return parse_regex(a, symbols) == parse_regex(b, symbols);
}

bool matches(const Dfa& dfa, std::string_view word) {
  return dfa.accepts_at(dfa.next(dfa.start(), dfa.alphabet().parse_word(word)));
}

TEST_CASE("every regex of the corpus is its automaton") {
  std::size_t regexes = 0;
  for (const corpus::Language& entry : corpus::languages()) {
    if (!entry.regex) continue;
    ++regexes;
    CAPTURE(entry.id);
    const Dfa dfa = parse_regex(*entry.regex, Alphabet::of_characters(entry.alphabet));
    CHECK(dfa == minimize(entry.dfa));
    CHECK(dfa.num_states() == entry.min_states);
  }
  CHECK(regexes == 48);
}

// A tree made at random, its text with only the parentheses that precedence needs, and its meaning by the definition
// of the operators on substrings: nothing here knows of automata.
struct Tree {
  enum class Kind { letters, empty, concatenation, alternation, conjunction, complement, repetition } kind;
  std::string letters;
  std::vector<std::unique_ptr<Tree>> children;
  int min = 0;
  int max = 0;  // -1: unbounded

  // Which ends j make word[i..j) a match, for one start i.
  std::vector<bool> ends(const std::string& word, std::size_t i) const {
    std::vector<bool> result(word.size() + 1, false);
    switch (kind) {
      case Kind::letters:
        if (i < word.size() && letters.find(word[i]) != std::string::npos) result[i + 1] = true;
        break;
      case Kind::empty:
        result[i] = true;
        break;
      case Kind::alternation:
      case Kind::conjunction: {
        const std::vector<bool> left = children[0]->ends(word, i);
        const std::vector<bool> right = children[1]->ends(word, i);
        for (std::size_t j = 0; j < result.size(); ++j) {
          result[j] = kind == Kind::alternation ? left[j] || right[j] : left[j] && right[j];
        }
        break;
      }
      case Kind::complement: {
        const std::vector<bool> inner = children[0]->ends(word, i);
        for (std::size_t j = i; j < result.size(); ++j) result[j] = !inner[j];
        break;
      }
      case Kind::concatenation: {
        const std::vector<bool> middle = children[0]->ends(word, i);
        for (std::size_t j = i; j < middle.size(); ++j) {
          if (!middle[j]) continue;
          const std::vector<bool> right = children[1]->ends(word, j);
          for (std::size_t e = 0; e < result.size(); ++e) result[e] = result[e] || right[e];
        }
        break;
      }
      case Kind::repetition: {
        std::vector<bool> reached(word.size() + 1, false);
        reached[i] = true;
        // Beyond min + length rounds nothing new can come: a round that reads nothing adds nothing.
        const int rounds = max >= 0 ? max : min + static_cast<int>(word.size()) + 1;
        if (min == 0) result = reached;
        for (int round = 1; round <= rounds; ++round) {
          std::vector<bool> next(word.size() + 1, false);
          for (std::size_t j = i; j < reached.size(); ++j) {
            if (!reached[j]) continue;
            const std::vector<bool> one = children[0]->ends(word, j);
            for (std::size_t e = 0; e < next.size(); ++e) next[e] = next[e] || one[e];
          }
          reached = next;
          for (std::size_t e = 0; e < result.size(); ++e) {
            if (round >= min) result[e] = result[e] || reached[e];
          }
        }
        break;
      }
    }
    return result;
  }

  // Binding strength: 0 alternation, 1 conjunction, 2 concatenation, 3 complement, 4 postfix, 5 atom.
  int strength() const {
    switch (kind) {
      case Kind::alternation:
        return 0;
      case Kind::conjunction:
        return 1;
      case Kind::concatenation:
        return 2;
      case Kind::complement:
        return 3;
      case Kind::repetition:
        return 4;
      default:
        return 5;
    }
  }

  std::string text(int outer) const {
    std::string inner;
    switch (kind) {
      case Kind::letters:
        if (letters == "ab") {
          inner = ".";
        } else {
          inner = letters.empty() ? "[^ab]" : letters;
        }
        break;
      case Kind::empty:
        inner = "()";
        break;
      case Kind::alternation:
        inner = children[0]->text(0) + "|" + children[1]->text(0);
        break;
      case Kind::conjunction:
        inner = children[0]->text(1) + "&" + children[1]->text(1);
        break;
      case Kind::concatenation:
        inner = children[0]->text(2) + children[1]->text(2);
        break;
      case Kind::complement:
        inner = "~" + children[0]->text(3);
        break;
      case Kind::repetition:
        inner = children[0]->text(4);
        // a*? and a*+ are other tools' lazy and possessive quantifiers.
        if (children[0]->kind == Kind::repetition && ((min == 1 && max == -1) || (min == 0 && max == 1))) {
          inner = "(" + inner + ")";
        }
        if (min == 0 && max == -1) {
          inner += "*";
        } else if (min == 1 && max == -1) {
          inner += "+";
        } else if (min == 0 && max == 1) {
          inner += "?";
        } else if (max == -1) {
          inner += "{" + std::to_string(min) + ",}";
        } else if (min == max) {
          inner += "{" + std::to_string(min) + "}";
        } else {
          inner += "{" + std::to_string(min) + "," + std::to_string(max) + "}";
        }
        break;
    }
    return strength() < outer ? "(" + inner + ")" : inner;
  }
};

std::unique_ptr<Tree> random_tree(std::mt19937& random, int depth) {
  auto tree = std::make_unique<Tree>();
  const auto choice = random() % (depth == 0 ? 5 : 14);
  if (choice < 5) {
    static const char* const atoms[] = {"a", "b", "ab", "", "a"};
    if (choice == 4 && random() % 2 == 0) {
      tree->kind = Tree::Kind::empty;
    } else {
      tree->kind = Tree::Kind::letters;
      tree->letters = atoms[choice];
      if (tree->letters.empty() && random() % 3 != 0) tree->letters = "b";
    }
    return tree;
  }
  const auto child = [&] { tree->children.push_back(random_tree(random, depth - 1)); };
  if (choice < 8) {
    tree->kind = Tree::Kind::concatenation;
    child();
    child();
  } else if (choice < 10) {
    tree->kind = Tree::Kind::alternation;
    child();
    child();
  } else if (choice == 10) {
    tree->kind = Tree::Kind::conjunction;
    child();
    child();
  } else if (choice == 11) {
    tree->kind = Tree::Kind::complement;
    child();
  } else {
    tree->kind = Tree::Kind::repetition;
    child();
    tree->min = static_cast<int>(random() % 4);
    tree->max = random() % 2 == 0 ? -1 : tree->min + static_cast<int>(random() % 3);
    if (random() % 2 == 0) {
      tree->min = 0;
      tree->max = -1;
    }
  }
  return tree;
}

TEST_CASE("random expressions match what the definitions of the operators match, on all words up to length 6") {
  std::mt19937 random(11);
  const Alphabet alphabet = Alphabet::of_characters("ab");
  std::vector<std::string> words{""};
  for (std::size_t i = 0; words[i].size() < 6; ++i) {
    words.push_back(words[i] + "a");
    words.push_back(words[i] + "b");
  }
  REQUIRE(words.size() >= 127);
  std::size_t matched = 0;
  std::size_t total = 0;
  for (int round = 0; round < 400; ++round) {
    const std::unique_ptr<Tree> tree = random_tree(random, 4);
    const std::string text = tree->text(0);
    CAPTURE(text);
    const Dfa dfa = parse_regex(text, alphabet);
    CHECK(minimize(dfa) == dfa);
    std::size_t wrong = 0;
    for (const std::string& word : words) {
      const bool expected = tree->ends(word, 0)[word.size()];
      const Word symbols = word.empty() ? Word{} : alphabet.parse_word(word);
      if (dfa.accepts_at(dfa.next(dfa.start(), symbols)) != expected) ++wrong;
      matched += expected ? 1 : 0;
      ++total;
    }
    CHECK(wrong == 0);
  }
  CHECK(matched > total / 20);
  CHECK(matched < total - total / 20);
}

TEST_CASE("precedence, loosest to tightest: | & concatenation ~ postfix") {
  CHECK(same("~(a)*", "~((a)*)"));
  CHECK_FALSE(same("~(a)*", "(~a)*"));
  CHECK(same("~ab", "(~a)b"));
  CHECK(same("a|b&ab", "a|(b&(ab))"));
  CHECK(same("ab&.b|a", "((ab)&(.b))|a"));
  CHECK(same("~~a", "a"));
  CHECK(same("~~~a*", "~(a*)"));
  CHECK(same("a~b*a", "a(~(b*))a"));
  CHECK(same("a{2}{3}", "aaaaaa"));
  CHECK(same("(a+)?", "a*"));
  CHECK(same("a+*", "a*"));
  CHECK(same("a{,2}b{,0}", "a{0,2}"));
  CHECK(same("(?:ab|(?:b))*", "(ab|b)*"));
  CHECK(same("(a|)b", "a?b"));
  CHECK(same("", "()"));
  CHECK(same("|a", "a?"));
  CHECK(same("a&", "~(.*)"));
  CHECK(same("()*|(){3}", ""));
  CHECK(same("(a*)*", "a*"));
  CHECK(same("(a?)+", "a*"));
  CHECK(same("(a{2,3})*", "(aa|aaa)*"));
  CHECK(same("(a{0,1}){2}", "a{0,2}"));
  CHECK(same("a{0}", ""));
  CHECK(same("a{0,0}b", "b"));
  CHECK(same("((a*b)*)?", "(a*b)*"));
}

TEST_CASE("classes, ranges, escapes and the default alphabet") {
  CHECK(parse_regex("ba").alphabet() == Alphabet::of_characters("ab"));
  CHECK(parse_regex("[a-d]x").alphabet() == Alphabet::of_characters("abcdx"));
  CHECK(parse_regex("[^b]a").alphabet() == Alphabet::of_characters("ab"));
  CHECK(parse_regex("\\*\\\\\\-").alphabet() == Alphabet::of_characters("*-\\"));
  CHECK(parse_regex("[-a]").alphabet() == Alphabet::of_characters("-a"));
  CHECK(parse_regex("[a-]").alphabet() == Alphabet::of_characters("-a"));
  CHECK(parse_regex("[a^]").alphabet() == Alphabet::of_characters("^a"));
  CHECK(parse_regex("[a\\]\\-z]").alphabet() == Alphabet::of_characters("-]az"));
  CHECK(parse_regex("[.|&~*+?{}()$]").num_states() == 3);
  CHECK(parse_regex("β|α").alphabet() == Alphabet::of_characters("αβ"));
  CHECK(parse_regex("[α-γ]").alphabet().size() == 3);
  CHECK(same("[a-z]", "a|b"));  // a range means those of its characters that belong to the alphabet
  CHECK(same("[^a]", "b"));
  CHECK(same("[^ab]", "~(.*)"));
  CHECK(same(".", "a|b"));
  CHECK(parse_regex(".", Alphabet({"go", "stop"})).num_states() == 3);
  CHECK(matches(parse_regex("a,b\"-"), "a,b\"-"));
}

TEST_CASE("escapes of characters and classes of characters") {
  const Alphabet mixed = Alphabet::of_characters("a7_Z-\xC3\xA9");
  const auto is = [&](const char* a, const char* b) { return parse_regex(a, mixed) == parse_regex(b, mixed); };
  CHECK(is("\\d", "7"));
  CHECK(is("\\w", "[a7_Z]"));
  CHECK(is("\\D", "[^7]"));
  CHECK(is("\\W", "[\\-\xC3\xA9]"));
  CHECK(is("\\S", "."));
  CHECK(is("[^\\s]", "."));
  CHECK(is("[^\\n\\ta]", "[^a]"));
  CHECK(is("[\\d\\s-]", "[7\\-]"));
  CHECK(is("[^\\w]", "\\W"));
  CHECK(is("[\\s\\S]", "."));
  CHECK(is("[\\d\\Da]", "."));
  CHECK(is("\\x61\\x5a\\xe9", "aZ\xC3\xA9"));
  CHECK(is("[\\x41-\\x5A]", "Z"));
  CHECK(is(".*a[^\\s]{3}.*", ".*a....*"));
  CHECK(parse_regex("\\d").alphabet() == Alphabet::of_characters("0123456789"));
  CHECK(parse_regex("\\w").alphabet().size() == 63);
  CHECK(parse_regex("\\/\\\"\\_").alphabet() == Alphabet::of_characters("\"/_"));
  // A class that the alphabet does not meet is an error, not the empty language.
  CHECK(error_of("a\\d", Alphabet::of_characters("ab")).starts_with("column 2: expected a class that meets"));
}

TEST_CASE("every character has an expression that matches it alone") {
  for (int c = '!'; c <= '~'; ++c) {
    const std::string character(1, static_cast<char>(c));
    CAPTURE(character);
    const Dfa dfa = parse_regex(regex_literal(character));
    CHECK(dfa.alphabet() == Alphabet({character}));
    CHECK(matches(dfa, character));
    CHECK_FALSE(matches(dfa, ""));
    CHECK_FALSE(matches(dfa, character + character));
  }
  CHECK(regex_literal("β") == "β");
}

TEST_CASE("errors name the column") {
  const std::pair<const char*, int> cases[] = {
      {"ab)", 3},
      {"a(b", 2},
      {"(a(b)", 1},
      {"*a", 1},
      {"a|*", 3},
      {"a&+", 3},
      {"(?=a)", 1},
      {"a(?!b)", 2},
      {"^a", 1},
      {"ab$", 3},
      {"(a)\\1", 4},
      {"a*?", 3},
      {"a+?b", 3},
      {"a??", 3},
      {"(a)*+", 5},
      {"a{2}+", 5},
      {"a{1,2}?", 7},
      {"(?i)a", 1},
      {"(?", 1},
      {"a\\s", 2},
      {"\\n", 1},
      {"a\\x0A", 2},
      {"a\\x4", 2},
      {"a\\xg0", 2},
      {"[\\s\\t]", 1},
      {"a[\\D]", 2},
      {"[^\\s\\S]", 1},
      {"[\\d-a]", 2},
      {"[\\n-a]", 2},
      {"a{,}", 3},
      {"a\\", 2},
      {"a\\b", 2},
      {"[ab", 1},
      {"a[]", 2},
      {"a[^]", 2},
      {"[b-a]", 2},
      {"a{", 3},
      {"a{2", 4},
      {"a{,x}", 4},
      {"a{3,2}", 2},
      {"a{2,3", 6},
      {"a{x}", 3},
      {"a]", 2},
      {"a}", 2},
      {"~", 2},
      {"a|~", 4},
      {"(~)a", 3},
      {"~|a", 2},
      {"~*", 2},
      {"a b", 2},
      {"a\tb", 2},
      {"αβ)", 3},
      {"[[:alpha:]]", 2},
      {"a{1000000}", 2},
      {"(a{1000}){1000}", 10},
      {"(){4000000000}x{4000000000}", 16},
      {"a\\é", 2},
      {"[a\\q]", 3},
  };
  for (const auto& [pattern, column] : cases) {
    CAPTURE(pattern);
    const std::string error = error_of(pattern);
    CHECK(error.starts_with("column " + std::to_string(column) + ": "));
  }
  const Alphabet ab = Alphabet::of_characters("ab");
  CHECK(error_of("abc", ab).starts_with("column 3: "));
  CHECK(error_of("a[bx]", ab).starts_with("column 4: "));
  CHECK(error_of("a[x-z]", ab).starts_with("column 3: "));
  for (const char* pattern : {"", ".", "()", "~.", ".*"}) {
    CAPTURE(pattern);
    CHECK(error_of(pattern).starts_with("alphabet: "));
    CHECK(error_of(pattern, ab).empty());
  }
  CHECK_FALSE(error_of("a\xFF").empty());
}

TEST_CASE("random strings of operators and bytes parse or are refused with a message") {
  std::mt19937 random(13);
  const std::string pool = "aabb|&~*+?(){}[]^-.,0123\\$ \"\xCE\xB1\xFF";
  std::size_t parsed = 0;
  std::size_t refused = 0;
  for (int round = 0; round < 10000; ++round) {
    std::string text;
    for (std::size_t i = random() % 12; i > 0; --i) text += pool[random() % pool.size()];
    CAPTURE(text);
    try {
      const Dfa dfa =
          parse_regex(text, round % 2 == 0 ? std::nullopt : std::optional(Alphabet::of_characters("ab012")));
      CHECK(dfa.num_states() > 0);
      ++parsed;
    } catch (const InputError& error) {
      CHECK_FALSE(std::string(error.what()).empty());
      ++refused;
    }
  }
  CHECK(parsed > 500);
  CHECK(refused > 500);
}

}  // namespace
}  // namespace krohn
