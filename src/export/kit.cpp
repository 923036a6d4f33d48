// Cases whose every step is exact in binary32 in any order of operations: keys in doubled dyadic coordinates (a swap of
// the pairs i and j is the key (1/2, 1/2, -1/2, -1/2) with beta 2), single coordinates with beta 1, idle updates with
// beta 0, decays exp(0) = 1 and exp(-200) = 0, small integers as values. They are computed here in binary64, and every
// number of a step is checked to be a multiple of 2^-12 below 2^12 in size, so that sums of products of them are exact
// (16 bits of a key, 24 of a state). The cases of decays next to 1 are no such numbers; their exact value is
// exp(g t), and they carry a bound for kernels that round decays no more coarsely than binary32: t products with an
// exp of 2 units each, (t + 1) 2^-21 in all, and the rounding of the output.
// Tested by tests/tools/export_command_test.cpp.
#include "krohn/export/kit.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "directory.hpp"
#include "kit_runner.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/error.hpp"
#include "krohn/numeric/rounding.hpp"
#include "krohn/numeric/splitmix64.hpp"

namespace krohn {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t size = 16;  // keys and columns: the least that tensor cores take
constexpr std::uint32_t pairs = 7;
constexpr float zero_decay = -200.0F;

enum class Gate { none, token, channel };

struct Form {
  const char* name;
  bool delta;
  Gate gate;
  std::size_t updates;
};

Form form_of(KitOperator op) {
  switch (op) {
    case KitOperator::delta_rule:
      return {"delta-rule", true, Gate::none, 1};
    case KitOperator::gated_delta_rule:
      return {"gated-delta-rule", true, Gate::token, 1};
    case KitOperator::delta_product:
      return {"delta-product", true, Gate::token, 2};
    case KitOperator::kda:
      return {"kda", true, Gate::channel, 1};
    case KitOperator::gla:
      return {"gla", false, Gate::channel, 1};
    case KitOperator::mamba2:
      return {"mamba2", false, Gate::token, 1};
  }
  throw InternalError("kit: an unknown operator");
}

using Vector = std::vector<float>;

struct Update {
  Vector k = Vector(size, 0.0F);
  Vector v = Vector(size, 0.0F);
  float beta = 0.0F;
};

struct Row {
  Vector q = Vector(size, 0.0F);
  std::vector<Update> updates;
  Vector g;
};

enum class Mode { whole, segments, packed };

struct Case {
  std::string name;
  std::string about;
  std::vector<Row> rows;
  std::vector<std::uint8_t> index;
  std::vector<double> initial;  // empty: zero
  /// Lengths; whole: one.
  std::vector<std::uint64_t> segments;
  Mode mode = Mode::whole;
  bool exact = true;
  /// Types of inputs in which the numbers of the rows are exact.
  std::vector<std::string> types = {"bf16", "fp16", "fp32"};
};

Vector unit(std::uint32_t at, float value = 1.0F) {
  Vector x(size, 0.0F);
  x[at] = value;
  return x;
}

void require_lattice(double x, const std::string& where) {
  if (!(std::abs(x) < 0x1p12) || std::nearbyint(x * 0x1p12) != x * 0x1p12) {
    throw InternalError("kit: " + where + " is not exact");
  }
}

class State {
 public:
  State(const Form& form, const std::vector<double>& initial) : form_(form), s_(size * size, 0.0) {
    if (!initial.empty()) s_ = initial;
  }

  const std::vector<double>& values() const { return s_; }
  void clear() { s_.assign(size * size, 0.0); }

  std::vector<double> step(const Row& row, const Case& of) {
    for (std::size_t j = 0; j < size && !row.g.empty(); ++j) {
      const double decay = std::exp(static_cast<double>(row.g[row.g.size() == 1 ? 0 : j]));
      for (std::size_t m = 0; m < size; ++m) s_[j * size + m] *= decay < 0x1p-150 ? 0.0 : decay;
    }
    for (const Update& update : row.updates) {
      for (std::size_t m = 0; m < size; ++m) {
        double c = update.v[m];
        for (std::size_t j = 0; j < size && form_.delta; ++j) c -= static_cast<double>(update.k[j]) * s_[j * size + m];
        for (std::size_t j = 0; j < size; ++j) {
          s_[j * size + m] += static_cast<double>(update.k[j]) * (static_cast<double>(update.beta) * c);
        }
      }
    }
    std::vector<double> o(size, 0.0);
    for (std::size_t m = 0; m < size; ++m) {
      for (std::size_t j = 0; j < size; ++j) {
        if (of.exact) require_lattice(s_[j * size + m], of.name);
        o[m] += static_cast<double>(row.q[j]) * s_[j * size + m];
      }
      if (of.exact) require_lattice(o[m], of.name);
    }
    return o;
  }

 private:
  const Form& form_;
  std::vector<double> s_;
};

class Maker {
 public:
  Maker(KitOperator op, std::uint64_t longest, std::uint64_t seed)
      : op_(op), form_(form_of(op)), longest_(longest), random_(seed) {}

  Kit make() {
    for (const std::uint64_t length :
         {0ULL, 1ULL, 15ULL, 16ULL, 17ULL, 63ULL, 64ULL, 65ULL, 127ULL, 128ULL, 129ULL, 300ULL}) {
      add(random_case("length " + std::to_string(length), "every kind of row, one call", {length}, Mode::whole));
    }
    add(random_case("long", "every kind of row, one call", {longest_}, Mode::whole));
    add(random_case("hand-over", "segments, each from the state that the last one left", {1, 63, 64, 65, 107},
                    Mode::segments));
    std::vector<std::uint64_t> decode = {66};
    decode.insert(decode.end(), 32, 1);
    add(random_case("prefill, then decode", "66 tokens at once, then one by one", decode, Mode::segments));
    add(random_case("packed", "sequences of different lengths in one call, each from zero", {1, 63, 64, 65, 2, 128, 17},
                    Mode::packed));
    add(bits_case());
    if (form_.delta) {
      add(strength_case());
      add(idle_case());
    } else {
      add(counting_case());
    }
    if (form_.gate != Gate::none) {
      add(decay_case("decay next to 1", -0x1p-10F, 4096));
      add(decay_case("decay next to 1, slow", -0x1p-14F, 16384));
    }
    return finish();
  }

 private:
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_.next() % n); }

  Vector random_query() {
    Vector q = unit(below(size));
    if (below(2) == 0) q[below(size)] = below(2) == 0 ? 0.5F : -1.0F;
    return q;
  }

  /// No decay.
  Vector kept() const { return Vector(form_.gate == Gate::none ? 0 : form_.gate == Gate::token ? 1 : size, 0.0F); }

  Row row_of(std::vector<Update> updates) {
    Row row{random_query(), std::move(updates), kept()};
    row.updates.resize(form_.updates);
    // mamba-2's decay goes with its step: dt = 0 keeps, any other clears (A = -200).
    if (op_ == KitOperator::mamba2) row.g = {row.updates[0].beta == 0.0F ? 0.0F : zero_decay};
    return row;
  }

  Update swap() {
    const std::uint32_t i = below(pairs);
    const std::uint32_t j = (i + 1 + below(pairs - 1)) % pairs;
    Update update;
    update.k[2 * i] = update.k[2 * i + 1] = 0.5F;
    update.k[2 * j] = update.k[2 * j + 1] = -0.5F;
    update.beta = 2.0F;
    return update;
  }
  Update write(std::uint32_t coordinate, const Vector& value) { return {unit(coordinate), value, 1.0F}; }
  Vector random_value() {
    Vector v(size, 0.0F);
    for (int i = 0; i < 3; ++i) v[below(size)] = static_cast<float>(static_cast<int>(below(17)) - 8);
    return v;
  }
  Update idle() {
    Update update{unit(below(size)), random_value(), 0.0F};
    update.k[below(size)] = 1.0F;
    return update;
  }

  /// Groups of rows that stay together, in a random order, in segments of these lengths.
  Case random_case(std::string name, std::string about, std::vector<std::uint64_t> segments, Mode mode) {
    Case c{std::move(name), std::move(about), {}, {}, {}, std::move(segments), mode};
    std::vector<std::vector<std::uint8_t>> groups;
    const auto push = [&](std::vector<Row> rows) {
      std::vector<std::uint8_t>& group = groups.emplace_back();
      for (Row& row : rows) {
        group.push_back(static_cast<std::uint8_t>(c.rows.size()));
        c.rows.push_back(std::move(row));
      }
    };
    if (form_.delta) {
      for (int i = 0; i < 10; ++i) {
        if (form_.updates == 1) {
          push({row_of({swap()})});
        } else {
          push({row_of({swap(), swap()})});
          push({row_of({i % 2 == 0 ? idle() : swap(), i % 2 == 0 ? swap() : idle()})});
        }
      }
      for (int i = 0; i < 2; ++i) push({row_of({idle()})});
      for (int i = 0; i < 4; ++i) {
        const std::uint32_t pair = below(pairs);
        const Vector value = random_value();
        Update first = write(2 * pair, value);
        Update second = write(2 * pair + 1, value);
        // Some writes behind a decay to 0: of everything, or of the rows of one pair.
        Vector gate = kept();
        if (i % 2 == 0) {
          if (form_.gate == Gate::token) gate[0] = zero_decay;
          if (form_.gate == Gate::channel) {
            const std::uint32_t cleared = below(pairs);
            gate[2 * cleared] = gate[2 * cleared + 1] = zero_decay;
          }
        }
        if (form_.updates == 1) {
          std::vector<Row> rows = {row_of({first}), row_of({second})};
          rows[0].g = gate;
          push(std::move(rows));
        } else {
          Row row = row_of({first, second});
          row.g = gate;
          push({row});
        }
      }
    } else {
      for (int i = 0; i < 24; ++i) {
        Row row = row_of({write(below(size), random_value())});
        if (i % 6 == 0) row = row_of({idle()});
        // Every row is cleared now and then, so that numbers stay small.
        if (form_.gate == Gate::channel) {
          for (int j = 0; j < 4; ++j) row.g[below(size)] = zero_decay;
        }
        push({row});
      }
      if (form_.gate == Gate::channel) {
        for (std::uint32_t j = 0; j < size; ++j) {
          Row row = row_of({idle()});
          row.g[j] = zero_decay;
          push({row});
        }
      }
    }
    std::uint64_t end = 0;
    for (const std::uint64_t length : c.segments) {
      end += length;
      while (c.index.size() < end) {
        const auto& group = groups[below(static_cast<std::uint32_t>(groups.size()))];
        if (c.index.size() + group.size() <= end) c.index.insert(c.index.end(), group.begin(), group.end());
      }
    }
    // A state that is handed in: what a kernel that ignores it cannot know.
    if (mode != Mode::packed) {
      c.initial.assign(size * size, 0.0);
      for (std::uint32_t i = 0; i < pairs; ++i) {
        const double value = static_cast<double>(below(7)) + 1.0;
        c.initial[2 * i * size + i] = c.initial[(2 * i + 1) * size + i] = value;
      }
    }
    return c;
  }

  /// States that need more than 8 bits, and in fp32 more than 11.
  Case bits_case() {
    Case c{"state bits", "states of 9 to 17 significant bits", {}, {}, {}, {}};
    if (form_.delta) {
      Vector value = unit(0, 256.0F);
      value[1] = 3.0F;
      Row first = row_of({write(0, value)});
      Update half;
      for (std::uint32_t j = 0; j < 4; ++j) half.k[j] = 0.5F;
      half.beta = 1.0F;
      half.v = unit(0, 1.0F);
      Row second = row_of({half});
      Row third = row_of({write(5, unit(2, 1.0F))});
      first.q = unit(0);
      second.q = unit(1);
      third.q = unit(0);
      third.q[1] = 1.0F;
      c.rows = {first, second, third};
      c.index = {0, 1, 2, 1, 2, 1, 2};
    } else if (op_ == KitOperator::mamba2) {
      // Without a decay (dt = 0 writes nothing): the initial state alone.
      Row keep = row_of({idle()});
      keep.q = unit(0);
      c.rows = {keep};
      c.index.assign(5, 0);
    } else {
      Row first = row_of({write(0, unit(0, 256.0F))});
      Row second = row_of({write(0, unit(0, 1.0F))});
      first.q = second.q = unit(0);
      c.rows = {first, second};
      c.index = {0, 1, 1, 1, 1};
    }
    c.initial.assign(size * size, 0.0);
    c.initial[15 * size + 15] = 257.0;
    c.initial[14 * size + 15] = 4.0 + 0x1p-10;
    c.initial[1] = 1.0 + 0x1p-8;
    c.segments = {c.index.size()};
    return c;
  }

  /// Strengths that are no bf16 numbers.
  Case strength_case() {
    Case c{"beta bits", "strengths 1 + 2^-9, 2 - 2^-9 and 2^-9", {}, {}, {}, {}};
    c.types = {"fp16", "fp32"};
    for (const float beta : {1.0F + 0x1p-9F, 2.0F - 0x1p-9F, 0x1p-9F}) {
      Update update = write(static_cast<std::uint32_t>(c.rows.size()), unit(0, 64.0F));
      update.beta = beta;
      Row row = row_of({update});
      row.q = unit(static_cast<std::uint32_t>(c.rows.size()));
      c.rows.push_back(row);
    }
    c.index = {0, 1, 2};
    c.segments = {3};
    return c;
  }

  /// Strength 0 with keys and values that would show.
  Case idle_case() {
    Case c{"beta 0", "200 idle tokens between a state and its reading", {}, {}, {}, {200}};
    for (int i = 0; i < 16; ++i) c.rows.push_back(row_of({idle(), idle()}));
    for (int t = 0; t < 200; ++t) c.index.push_back(static_cast<std::uint8_t>(below(16)));
    c.initial.assign(size * size, 0.0);
    for (std::uint32_t j = 0; j < size; ++j) c.initial[j * size + j] = 1.0 + j;
    return c;
  }

  /// The number of tokens, which a state of few bits stops at: 256 in bf16, 2048 in fp16.
  Case counting_case() {
    Case c{"counting", "one is added 4000 times", {}, {}, {}, {}};
    if (op_ == KitOperator::mamba2) {
      // A = -200 forgets at once; dt = 0 keeps what is there.
      Row keep = row_of({idle()});
      Row write_one = row_of({write(3, unit(3, 1.0F))});
      c.rows = {write_one, keep};
      c.index.assign(4000, 1);
      c.index[0] = 0;
    } else {
      Row row = row_of({write(3, unit(3, 1.0F))});
      row.q = unit(3);
      c.rows = {row};
      c.index.assign(4000, 0);
    }
    c.segments = {c.index.size()};
    return c;
  }

  Case decay_case(const std::string& name, float g, std::uint64_t length) {
    Case c{name, "exp(" + std::to_string(g) + ") a token", {}, {}, {}, {length}};
    c.exact = false;
    Row row;
    row.updates.resize(form_.updates);
    row.q = unit(2);
    row.g = Vector(form_.gate == Gate::token ? 1 : size, g);
    if (op_ == KitOperator::mamba2) {
      // The decay is exp(dt A) with A = -200 in every case: a step as small, that writes 0.
      row.updates[0].beta = g == -0x1p-10F ? 0x1p-17F : 0x1p-21F;
      row.g[0] = row.updates[0].beta * zero_decay;
    }
    c.rows = {row};
    c.index.assign(length, 0);
    c.initial.assign(size * size, 0.0);
    c.initial[2 * size] = 1.0;
    return c;
  }

  /// Positions whose outputs are kept: all of a short case, of a long one its ends, chunk borders and random ones.
  std::vector<std::int64_t> positions_of(std::uint64_t length) {
    std::set<std::uint64_t> chosen;
    if (length <= 300) {
      for (std::uint64_t t = 0; t < length; ++t) chosen.insert(t);
    } else {
      for (const std::uint64_t t : {0ULL, 1ULL, 2ULL}) chosen.insert(t);
      for (std::uint64_t border = 16; border < length; border *= 2) {
        for (const std::uint64_t t : {border - 1, border, border + 1}) chosen.insert(std::min(t, length - 1));
      }
      for (int i = 0; i < 64; ++i) chosen.insert(random_.next() % length);
      chosen.insert(length - 2);
      chosen.insert(length - 1);
    }
    return {chosen.begin(), chosen.end()};
  }

  void add(Case c) {
    const std::string prefix = std::to_string(kit_.cases) + "/";
    const std::size_t rows = c.rows.size();
    Vector q;
    Vector k;
    Vector v;
    Vector beta;
    Vector g;
    for (const Row& row : c.rows) {
      q.insert(q.end(), row.q.begin(), row.q.end());
      for (const Update& update : row.updates) {
        k.insert(k.end(), update.k.begin(), update.k.end());
        v.insert(v.end(), update.v.begin(), update.v.end());
        beta.push_back(update.beta);
      }
      g.insert(g.end(), row.g.begin(), row.g.end());
    }
    const std::vector<std::int64_t> positions = positions_of(c.index.size());
    std::vector<double> outputs;
    std::vector<double> states;
    State state(form_, c.initial);
    std::size_t segment = 0;
    std::uint64_t left = c.segments.empty() ? 0 : c.segments[0];
    std::size_t next = 0;
    const auto end_segments = [&] {
      while (segment < c.segments.size() && left == 0) {
        states.insert(states.end(), state.values().begin(), state.values().end());
        if (c.mode == Mode::packed) state.clear();
        ++segment;
        left = segment < c.segments.size() ? c.segments[segment] : 0;
      }
    };
    end_segments();
    for (std::uint64_t t = 0; t < c.index.size(); ++t) {
      const std::vector<double> o = state.step(c.rows[c.index[t]], c);
      if (next < positions.size() && positions[next] == static_cast<std::int64_t>(t)) {
        outputs.insert(outputs.end(), o.begin(), o.end());
        ++next;
      }
      --left;
      end_segments();
    }
    const std::uint64_t gates = form_.gate == Gate::none ? 0 : form_.gate == Gate::token ? 1 : size;
    const auto push = [&](const char* name, auto values, std::vector<std::uint64_t> shape) {
      using Value = typename decltype(values)::value_type;
      tensors_.push_back(make_tensor(prefix + name, std::span<const Value>(values), std::move(shape)));
    };
    push("index", c.index, {c.index.size()});
    push("q", q, {rows, size});
    push("k", k, {rows, form_.updates, size});
    push("v", v, {rows, form_.updates, size});
    push("beta", beta, {rows, form_.updates});
    push("g", g, {rows, gates});
    if (!c.initial.empty()) push("initial", c.initial, {size, size});
    push("segments", std::vector<std::int64_t>(c.segments.begin(), c.segments.end()), {c.segments.size()});
    push("positions", positions, {positions.size()});
    push("outputs", outputs, {positions.size(), size});
    push("states", states, {c.segments.size(), size, size});
    constexpr const char* modes[] = {"whole", "segments", "packed"};
    cases_.push_back({{"name", c.name},
                      {"about", c.about},
                      {"prefix", prefix},
                      {"length", c.index.size()},
                      {"mode", modes[static_cast<int>(c.mode)]},
                      {"exact", c.exact},
                      {"relative_bound", c.exact ? 0.0 : static_cast<double>(c.index.size() + 1) * 0x1p-21},
                      {"types", c.types}});
    ++kit_.cases;
    kit_.tokens += c.index.size();
  }

  Kit finish() {
    constexpr const char* gates[] = {"none", "token", "channel"};
    Json json;
    json["format"] = "krohn-kit-v1";
    json["operator"] = form_.name;
    json["delta"] = form_.delta;
    json["gate"] = gates[static_cast<int>(form_.gate)];
    json["num_householder"] = form_.updates;
    json["key_size"] = size;
    json["value_size"] = size;
    json["scale"] = 1.0;
    if (op_ == KitOperator::mamba2) json["A"] = zero_decay;
    json["cases"] = cases_;
    kit_.files = {{"kit.json", json.dump(1) + "\n"},
                  {"kit.safetensors", format_safetensors(tensors_)},
                  {"run_kit.py", kit_runner}};
    return std::move(kit_);
  }

  KitOperator op_;
  Form form_;
  std::uint64_t longest_;
  SplitMix64 random_;
  Kit kit_;
  Json cases_ = Json::array();
  std::vector<Tensor> tensors_;
};

}  // namespace

const char* operator_name(KitOperator op) { return form_of(op).name; }

Kit make_kit(KitOperator op, std::uint64_t longest, std::uint64_t seed) {
  if (longest < 300) throw InputError("kit: expected a longest case of at least 300 tokens");
  return Maker(op, longest, seed).make();
}

void write_kit(const std::filesystem::path& path, const Kit& kit, bool force) { write_export(path, kit.files, force); }

}  // namespace krohn
