// Mamba-3 (2026), with one input a head (SISO) or several (MIMO): S = al (S + (1 - la) dt k_before v_before^T) + la dt
// k v^T, with queries and keys turned by angles th = th + pi tanh(angle) dt that a head's pairs of keys sum up. The
// angle enters as a rotation alone, so that the state is kept turned back: with S' = R(-th) S,
//     S' = al R(-d) (S' + (1 - la) dt k_before v_before^T) + la dt k v^T,   d = pi tanh(angle) dt,
// where queries and keys are not turned, and nothing grows with the number of tokens.
#include <string>
#include <vector>

#include "shared/mamba_shell.hpp"

namespace krohn::architectures {
namespace {

constexpr double pi = 3.14159265358979323846;

struct Sizes {
  std::size_t heads = 0;
  std::size_t head_size = 0;
  std::size_t state = 0;
  std::size_t groups = 0;
  std::size_t rank = 1;
  std::size_t angles = 0;
  bool mimo = false;

  std::size_t channels() const { return heads * head_size; }
  std::size_t pairs() const { return state / 2; }
};

/// Of [heads, size], every head's part `rank` times.
Slice repeated(ProgramBuilder& net, Slice x, const Sizes& s) {
  return s.rank == 1 ? x : net.interleave(std::vector<Slice>(s.rank, x), s.heads);
}

/// [rank, groups, state], normed, to [heads, rank, state], plus a bias.
Slice keys_of_heads(Draft& draft, const Sizes& s, Slice x, std::uint32_t norm, std::uint32_t bias, double epsilon) {
  ProgramBuilder& net = draft.net;
  Slice normed = net.rms_norm(x, norm, epsilon, s.rank * s.groups);
  if (s.rank > 1 && s.groups > 1) {
    std::vector<Slice> parts;
    for (std::size_t r = 0; r < s.rank; ++r) parts.push_back(normed.part(r * s.groups * s.state, s.groups * s.state));
    normed = net.interleave(parts, s.groups);
  }
  const std::size_t one = s.rank * s.state;
  std::vector<Slice> groups;
  for (std::size_t g = 0; g < s.groups; ++g) {
    groups.push_back(net.runs(normed.part(g * one, one), one, 0, s.heads / s.groups));
  }
  return net.map_weight(Function::add_weight, groups.size() == 1 ? groups[0] : net.interleave(groups), bias);
}

/// The first and second entries of the pairs that turn together: neighbours, or, with MIMO, halves of a key.
std::pair<Slice, Slice> halves_of_pairs(ProgramBuilder& net, const Sizes& s, Slice x) {
  const std::size_t run = s.mimo ? s.pairs() : 1;
  const std::size_t count = x.size / (2 * run);
  const Slice first = net.runs(x, run, 2 * run, count);
  return {first, net.runs(x.part(run, x.size - run), run, 2 * run, count)};
}

Slice mixer(Draft& draft, const std::string& prefix, const Sizes& s, double floor, bool bias, bool norm, Slice h,
            Slice x, double epsilon) {
  ProgramBuilder& net = draft.net;
  Tensors& tensors = draft.tensors;
  const std::size_t channels = s.channels();
  const std::size_t keys = s.state * s.groups * s.rank;
  const std::size_t rows = 2 * channels + 2 * keys + 3 * s.heads + s.angles;
  const std::uint32_t in_bias = bias ? tensors.vector(prefix + "in_proj.bias", {rows}) : no_index;
  const Slice in = net.product(tensors.matrix(prefix + "in_proj.weight", rows, h.size), h, in_bias);
  std::size_t at = 0;
  const auto next = [&](std::size_t count) {
    at += count;
    return in.part(at - count, count);
  };
  const Slice z = next(channels);
  const Slice u = next(channels);
  const Slice b = next(keys);
  const Slice c = next(keys);
  const Slice raw_step = next(s.heads);
  const Slice rate = next(s.heads);
  const Slice trapezoid = next(s.heads);
  const Slice angle = next(s.angles);
  const std::vector<std::size_t> each{s.heads, s.rank, s.state};
  const Slice k = keys_of_heads(draft, s, b, tensors.vector(prefix + "B_norm.weight", {s.state}),
                                tensors.vector(prefix + "B_bias", each), epsilon);
  const Slice q = keys_of_heads(draft, s, c, tensors.vector(prefix + "C_norm.weight", {s.state}),
                                tensors.vector(prefix + "C_bias", each), epsilon);
  const Slice step = net.map_weight(Function::softplus_weight, raw_step, tensors.vector(prefix + "dt_bias", {s.heads}));
  Elementwise decay;
  decay.function = Function::floored_decay;
  decay.a = {step};
  decay.b = {rate};
  decay.k = floor;
  const Slice decays = net.map(decay, s.heads);
  const Slice share = net.map(Function::sigmoid, trapezoid);
  const Slice now = net.multiply(share, step);
  const Slice before = net.multiply(net.map(Function::complement, share), step);

  // Every pair's number: al e^(-i d), al where nothing turns.
  const auto pairs = static_cast<std::uint32_t>(s.pairs());
  Slice speed = net.map_constant(Function::scale, net.map(Function::tanh, angle), -pi);
  if (s.angles < s.pairs()) speed = net.interleave({speed, net.constant(0.0, s.pairs() - s.angles)});
  Elementwise turn;
  turn.function = Function::multiply;
  turn.a = {speed, 1, pairs, 0};
  turn.b = {step, pairs};
  const Slice turned = net.map(turn, s.heads * s.pairs());
  const auto part = [&](Function function) {
    const Slice value = net.map(function, turned);
    return net.map({Function::multiply, {decays, pairs}, {value}, {}, {}, {}}, value.size);
  };
  const Slice real = part(Function::cosine);
  const Slice imaginary = part(Function::sine);

  const auto [k_first, k_second] = halves_of_pairs(net, s, k);
  const Slice old_first = net.delay(k_first, "k.first");
  const Slice old_second = net.delay(k_second, "k.second");
  const Slice by = repeated(net, real, s);
  const Slice across = repeated(net, imaginary, s);
  const Slice moved_first = net.map(Function::add_product, net.multiply(by, old_first),
                                    net.map_constant(Function::scale, across, -1.0), old_second);
  const Slice moved_second = net.map(Function::add_product, net.multiply(by, old_second), across, old_first);
  const Slice old_keys = net.interleave({moved_first, moved_second}, moved_first.size);
  Slice new_keys = k;
  Slice queries = q;
  if (s.mimo) {
    new_keys = net.interleave({k_first, k_second}, k_first.size);
    const auto [q_first, q_second] = halves_of_pairs(net, s, q);
    queries = net.interleave({q_first, q_second}, q_first.size);
  }
  const std::vector<std::size_t> mixed{s.heads, s.rank, s.head_size};
  const auto weighted = [&](Slice y, const std::string& name) {
    return net.map_weight(Function::multiply_weight, y, tensors.vector(prefix + name, mixed));
  };
  const Slice values = s.mimo ? weighted(repeated(net, u, s), "mimo_x") : u;
  const Slice old_values = net.delay(values, "v");

  LinearRecurrence r = ProgramBuilder::recurrence(s.heads, s.state, s.head_size);
  r.queries = static_cast<std::uint32_t>(s.rank);
  r.decay = LinearRecurrence::Decay::rotation;
  r.decays = ProgramBuilder::heads(net.interleave({real, imaginary}, real.size), s.state);
  const auto write = [&](Slice key, Slice value, Slice strength) {
    for (std::size_t i = 0; i < s.rank; ++i) {
      RankOneUpdate update;
      update.write = ProgramBuilder::heads(key.part(i * s.state, key.size - i * s.state), s.rank * s.state);
      update.value =
          ProgramBuilder::heads(value.part(i * s.head_size, value.size - i * s.head_size), s.rank * s.head_size);
      update.beta = ProgramBuilder::heads(strength, 1);
      r.updates.push_back(update);
    }
  };
  write(old_keys, old_values, before);
  write(new_keys, values, now);
  r.query = ProgramBuilder::heads(queries, s.state);
  const Slice o = net.recur(std::move(r), StatePart::Axes::value_key);
  Slice y = skip(net, o, values, tensors.vector(prefix + "D", {s.heads}), s.rank * s.head_size);
  if (norm) {
    const std::uint32_t weight = tensors.vector(prefix + "norm.weight", {channels});
    if (s.rank == 1) {
      y = net.rms_norm(y, weight, epsilon, s.heads);
    } else {
      const Slice normed = net.rms_norm(y, no_index, epsilon, s.heads * s.rank);
      const Slice weights = net.map_weight(Function::add_weight, net.constant(0.0, channels), weight);
      y = net.multiply(normed, repeated(net, weights, s));
    }
  }
  const Slice gate = s.mimo ? weighted(repeated(net, z, s), "mimo_z") : z;
  y = net.multiply(y, net.map(Function::silu, gate));
  if (s.mimo) {
    const Slice parts = weighted(y, "mimo_o");
    const std::size_t all = s.rank * s.head_size;
    y = net.runs(parts, s.head_size, all, s.heads);
    for (std::size_t i = 1; i < s.rank; ++i) {
      Elementwise add;
      add.function = Function::add;
      add.a = {parts.part(i * s.head_size, parts.size - i * s.head_size), 1, static_cast<std::uint32_t>(s.head_size),
               static_cast<std::uint32_t>(all)};
      add.b = {y};
      y = net.map(add, channels);
    }
  }
  return gated_out(draft, prefix, y, x, bias);
}

Program build(Draft& draft) {
  Options& options = draft.options;
  Sizes s;
  s.head_size = options.size("head_dim", 64);
  s.state = options.size("state_size", 128);
  const std::size_t channels = options.product(options.size("hidden_size", 2048), "expand", 2);
  s.heads = options.split(channels, s.head_size, "head_dim");
  s.groups = options.size("n_groups", 1);
  options.require_equal("num_heads", s.heads, "expand * hidden_size / head_dim");
  if (s.heads % s.groups != 0) options.report("n_groups", "a divisor of the " + std::to_string(s.heads) + " heads");
  if (s.state % 2 != 0) options.report("state_size", "an even number, since pairs of keys turn together");
  s.angles = options.product(s.state, "rope_fraction", 0.5) / 2;
  if (s.angles < 1 || s.angles > s.pairs()) {
    options.report("rope_fraction", "a share of the state's keys, of at least one pair");
    s.angles = std::max<std::size_t>(s.pairs(), 1);
  }
  s.mimo = options.flag("is_mimo", false);
  const std::size_t rank = options.size("mimo_rank", 4);
  s.rank = s.mimo ? rank : 1;
  const double floor = options.number("A_floor", 1e-4);
  if (!(floor >= 0.0)) options.report("A_floor", "a number of at least 0");
  const bool norm = options.flag("is_outproj_norm", false);
  const bool bias = options.flag("use_bias", false);
  const std::string activation = options.text("hidden_act", "silu");
  if (activation != "silu" && activation != "swish") note_unread(draft, "hidden_act", "the gate is silu");
  return mamba_shell(
      draft, "mamba3", channels,
      [&](const std::string& prefix, Slice h, Slice x, double epsilon) {
        return mixer(draft, prefix, s, floor, bias, norm, h, x, epsilon);
      },
      false);
}

}  // namespace

extern const Architecture mamba3;
const Architecture mamba3{"mamba3", build};

}  // namespace krohn::architectures
