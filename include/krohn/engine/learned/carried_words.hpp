// What a program with codes carries from token to token, in few words of 32 bits (docs/semantics.md, section 10): the
// last tokens, as far as convolutions and token shifts of what depends on the token alone look back; of every unit
// with codes the number of its code; of all else the numbers themselves. States that are equal in these words are
// equal, so a closure over them is one over states, and a certificate of it is small.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "krohn/engine/learned.hpp"
#include "krohn/model/program.hpp"

namespace krohn {

/// Words: [tokens looked back on, oldest first: 0 for none yet, else the token + 1] [units with codes, by part and
/// unit: 0 for what it was before the first token, else the number of the code + 1] [every other entry of the state, in
/// the order of the layout, as binary32].
class CarriedWords {
 public:
  /// `tokens`: those that will be read. Runs the program once on each of them. The program must outlive it.
  CarriedWords(const Program& program, const Tokens& tokens);

  /// The codes [codes, unit_size()] of a unit from now on, instead of the program's; they must differ from each other.
  void set_codes(std::size_t part, std::size_t unit, std::span<const float> codes);

  std::size_t size() const noexcept { return look_back_ + units_.size() + plain_.size(); }
  /// Before the first token.
  void initial(std::span<std::uint32_t> words) const;
  /// The state that the words stand for. Throws InputError where a number is out of range.
  void expand(std::span<const std::uint32_t> words, std::span<float> state) const;
  /// The words after a token that led from `words` to `state`. Throws NumericError where a unit with codes is none of
  /// them: it was infinitely far from all.
  void advance(std::span<std::uint32_t> words, std::uint32_t token, std::span<const float> state) const;

 private:
  struct Unit {
    std::size_t part = 0;
    std::size_t unit = 0;
    std::size_t offset = 0;
    std::size_t size = 0;
    /// [codes, size]
    std::vector<float> codes;
    /// The bits of a code to its number.
    std::unordered_map<std::string, std::uint32_t> numbers;
  };
  /// A state part that holds what the last tokens gave.
  struct Tail {
    std::size_t offset = 0;
    std::size_t tokens = 0;
    std::size_t channels = 0;
    float initial = 0.0F;
    /// Per token, its channels.
    std::unordered_map<std::uint32_t, std::vector<float>> values;
  };

  static void fill(Unit& unit, std::span<const float> codes);

  const Program* program_;
  std::vector<float> start_;
  std::vector<Unit> units_;
  std::vector<Tail> tails_;
  std::size_t look_back_ = 0;
  std::vector<std::size_t> plain_;
};

}  // namespace krohn
