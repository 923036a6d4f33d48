// Inductive sets: for every situation a set that holds every state that a word leads to, known by how far it goes in
// directions, and how far the canonical form can be from the exact recurrence on the same inputs. A *reader* is a group
// of the answer's numbers, r[m] = sum over generators b of t[b] v_b[m]; t is linear in the state, by a functional.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/verify/budget.hpp"
#include "sets/fan.hpp"
#include "sets/system.hpp"

namespace krohn::sets {

/// The numbers of inductive sets, as a certificate lists them; what they mean is the family's.
struct Tables {
  /// Where the directions lie.
  std::vector<double> grids;
  /// How far the sets go, by situation, then as the family says.
  std::vector<double> supports;
  /// How far errors go.
  std::vector<double> errors;
  /// Where errors are never forgotten, by how much the sets grow with every token at most.
  std::vector<double> rates;
  friend bool operator==(const Tables&, const Tables&) = default;
};

class Enclosing {
 public:
  struct Reader {
    std::size_t head = 0;
    /// Of the head's answer.
    std::size_t first = 0;
    std::size_t count = 0;
  };

  /// A word, as a reader sees the states before it.
  struct Behind {
    /// Of its tokens.
    const std::vector<std::uint32_t>& contexts;
    const double* functional = nullptr;
    /// Of the functional that the reader began with, the largest entry.
    double largest = 0.0;
    /// Of every entry of the functional the sum of its sizes after each of the word's tokens.
    const double* noise = nullptr;
    /// By generator: what the word's own tokens add to t, and the sum of the sizes of that.
    const double* parts = nullptr;
    const double* sizes = nullptr;
  };
  /// Number m of the answer is off by at most numbers[m] + sum over b of |v_b[m]| (shares[b] t[b] + rests[b]), where t
  /// is what the situation's set adds, and shares may be negative.
  struct Rounding {
    std::vector<double> numbers;
    std::vector<double> shares;
    std::vector<double> rests;
  };

  virtual ~Enclosing() = default;
  /// "fans" or "hulls".
  virtual std::string_view name() const = 0;
  const std::vector<Reader>& readers() const { return readers_; }
  /// Of every reader.
  std::size_t generators() const { return generators_; }
  /// Numbers of a functional.
  std::size_t size() const { return size_; }
  /// [generators]: of the directions in which t is bounded.
  const Fan& combinations() const { return combinations_; }
  /// v_b[m]
  virtual double value(std::size_t reader, std::size_t generator, std::size_t m) const = 0;
  /// Writes the functional of the context's query.
  virtual void begin(std::uint32_t context, std::size_t reader, double* functional) const = 0;
  /// The functional before the context's token of the one after it; adds the token's own part to t [generators], and
  /// the size of what was added to `sizes`.
  virtual void back(std::uint32_t context, std::size_t reader, double* functional, double* t, double* sizes) const = 0;
  /// For every combination u, at least the sum over b of u[b] t[b] over the situation's set.
  virtual void supports(std::uint32_t situation, std::size_t reader, const double* functional, double* out) const = 0;
  /// Where that is less than the readers' supports add up to: over all situations, at least the sum over readers and
  /// generators of direction[r, b] t[b] of the readers' functionals [readers, size].
  virtual double far(const double* /*functionals*/, const double* /*direction*/) const {
    return std::numeric_limits<double>::infinity();
  }
  /// How far the doubles can be off in the reader's t, the set's part and the word's own.
  virtual double loss(std::size_t reader, const Behind& word) const = 0;
  /// How far the reader's answer behind a word can be from the exact recurrence's, for words of at most `length`
  /// tokens, or of all lengths.
  virtual Rounding rounding(std::size_t reader, const Behind& word) const = 0;
  /// For rounding(), supports() and loss(), of closed tables. False if there is no bound for such lengths.
  virtual bool bound_rounding(std::optional<std::uint64_t> length) = 0;

  /// Finds tables that are closed for words of all lengths, or begins those that reach() goes on with; says why not
  /// otherwise.
  virtual std::optional<std::string> close(const Budget& budget) = 0;
  /// Where there are no tables for all lengths: finds some for words of at most `length` symbols, from those at hand.
  virtual std::optional<std::string> close_up_to(std::uint64_t /*length*/, const Budget& /*budget*/) {
    return std::nullopt;
  }
  /// Keeps the tables at hand; goes back to those that were kept.
  virtual void keep() {}
  virtual void go_back() {}
  /// Whether the tables are closed, for words of at most `length` symbols: the first situation's set holds the first
  /// state, and every set what tokens make of the sets before, as they are after so many; where none are listed they
  /// are found first, by so many steps.
  virtual bool closed(std::optional<std::uint64_t> length) = 0;

  const Tables& tables() const { return tables_; }
  /// False if their sizes do not fit.
  bool set_tables(Tables tables) {
    if (!fits(tables)) return false;
    tables_ = std::move(tables);
    return place_directions();
  }

 protected:
  Enclosing(const System& system, std::size_t generators, std::size_t size, Fan combinations)
      : system_(system), generators_(generators), size_(size), combinations_(std::move(combinations)) {}

  /// Whether the sizes are right.
  virtual bool fits(const Tables& tables) const {
    return tables.grids.size() == tables_.grids.size() && tables.supports.size() == tables_.supports.size() &&
           tables.errors.size() == tables_.errors.size() && tables.rates.size() == tables_.rates.size();
  }
  /// Of tables that came from elsewhere. False if the grids are none.
  virtual bool place_directions() { return tables_.grids.empty(); }

  const System& system_;
  std::vector<Reader> readers_;
  std::size_t generators_;
  std::size_t size_;
  Fan combinations_;
  Tables tables_;
};

/// The family that fits the system, with tables that are not closed yet; says why none does.
struct Chosen {
  std::unique_ptr<Enclosing> family;
  std::string obstacle;
};
Chosen choose_family(const System& system);
std::unique_ptr<Enclosing> make_fans(const System& system);
std::unique_ptr<Enclosing> make_hulls(const System& system);

/// Of the doubles that sets are made of: a sum of fewer than 2^9 terms is off by at most this part of the sum of their
/// absolute values.
inline constexpr double slack = 0x1p-42;
/// Of binary32, with room for the second order.
inline constexpr double fp32_unit = 0x1.0001p-24;
inline constexpr double fp32_least = 0x1p-140;

}  // namespace krohn::sets
