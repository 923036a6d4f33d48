// The set systems that cascades are built on: which sets a chain Q = P_0 > P_1 > .. > {q} passes through, on which
// level each set sits, and how its tiles are numbered.
//
// A family F is closed under the letters and contains Q and all singletons; the tiles of P are the maximal proper
// members of F inside P. Members of a class are linked by bijections that carry tiles to tiles, so that a tile's
// number means the same for all of them. The modes are those of CascadeMode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/dfa.hpp"
#include "krohn/automata/transformation.hpp"

namespace krohn {

/// How the sets of a cascade are chosen.
enum class CascadeMode {
  points,    ///< R: all subsets, never enumerated; a level removes one point; exactly |Q|-1 levels
  pulled,    ///< Z: images of Q, closed under pulling back along letters; one level a cardinality; at most |Q|-1
  images,    ///< G: images of Q; levels by subduction, tile-bijective steps are free; resets only where aperiodic
  holonomy,  ///< H: the textbook holonomy decomposition; for comparison
};

/// "R", "Z", "G" or "H".
std::string mode_name(CascadeMode mode);

/// What the walk over contexts needs of a set system. Sets are named by dense indices; a lazy system names them as it
/// meets them, hence the members that are not const. The system refers to nothing outside itself.
class SetSystem {
 public:
  virtual ~SetSystem() = default;
  virtual std::size_t depth() const = 0;
  /// The whole state set.
  virtual std::uint32_t root() const = 0;
  /// 0 for the root; depth() for singletons.
  virtual std::uint32_t level(std::uint32_t set) const = 0;
  virtual std::uint32_t num_tiles(std::uint32_t set) const = 0;
  virtual std::uint32_t tile(std::uint32_t set, std::uint32_t index) = 0;
  /// The one state of a singleton.
  virtual State point(std::uint32_t singleton) const = 0;
  /// True if `letter` carries `from` onto `to`.
  virtual bool carries_onto(std::uint32_t from, std::uint32_t letter, std::uint32_t to) = 0;
  /// The tile indices i -> index among tiles(to) of the image of tile i of `from`, when `letter` carries `from` onto
  /// `to` and both sit on one level. Throws InternalError where an image is no tile of `to`.
  virtual std::vector<std::uint32_t> tile_map(std::uint32_t from, std::uint32_t letter, std::uint32_t to) = 0;
  /// The index of a tile of `to` that contains the image of `from`, the first one. Throws InternalError if none does.
  virtual std::uint32_t tile_around(std::uint32_t from, std::uint32_t letter, std::uint32_t to) = 0;
  /// The index of the first tile of `set` that contains `state`.
  virtual std::uint32_t tile_with(std::uint32_t set, State state) = 0;
  /// Sets named so far.
  virtual std::size_t num_sets() const = 0;
};

/// The system of `mode` for the given transformations of {0, .., num_states - 1}. Throws ResourceError when the
/// family exceeds `max_family` sets (mode R never does) or, in mode Z, when its closure takes more than 2^29 subset
/// tests.
std::unique_ptr<SetSystem> make_set_system(std::size_t num_states, const std::vector<std::vector<State>>& letters,
                                           CascadeMode mode, std::size_t max_family);

/// The same for chains that begin at any of `roots`, distinct and non-empty sets, the first of which is root() and
/// which are named 0, 1, .. in order. Every letter must carry each root into some root.
std::unique_ptr<SetSystem> make_set_system(std::size_t num_states, const std::vector<std::vector<State>>& letters,
                                           const std::vector<std::vector<State>>& roots, CascadeMode mode,
                                           std::size_t max_family);

/// The system that first decides the class of a congruence, by a system `upper` of the quotient (whose letters are
/// numbered alike), and then the state within the class, by a system `lower` whose roots are the classes in order.
/// `class_of` names the class of each state. Its depth is the sum of the two.
std::unique_ptr<SetSystem> make_split_system(std::vector<std::uint32_t> class_of, std::unique_ptr<SetSystem> upper,
                                             std::unique_ptr<SetSystem> lower);

}  // namespace krohn
