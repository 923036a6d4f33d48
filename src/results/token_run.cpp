// Logits are written where they belong by the threads that compute them. The state before the last token comes from
// running every word without it, beside the whole word, with which it shares all of its steps.
// Tested by tests/results/word_states_test.cpp.
#include "krohn/results/token_run.hpp"

#include <algorithm>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

/// Words with tokens are bounded by the size of their file; without, a shape may name any number.
constexpr std::uint64_t most_empty_words = std::uint64_t{1} << 20U;

/// One part of the carried state as arrays over the states given; `axes` are the first axes, whose product is their
/// number. A state before that is empty is one before any token.
class StateWriter {
 public:
  StateWriter(const Program& model, const std::vector<std::vector<float>>& final,
              const std::vector<std::vector<float>>& before, std::vector<std::uint64_t> axes)
      : model_(model), final_(final), before_(before), axes_(std::move(axes)) {}

  std::vector<Tensor> tensors() {
    for (const StatePart& part : model_.state_parts()) write(part);
    return std::move(tensors_);
  }

 private:
  using Pick = std::vector<std::size_t>;

  void add(const std::string& name, std::vector<std::uint64_t> shape, const Pick& entries) {
    shape.insert(shape.begin(), axes_.begin(), axes_.end());
    std::vector<float> values;
    values.reserve(final_.size() * entries.size());
    for (const std::vector<float>& state : final_) {
      for (const std::size_t entry : entries) values.push_back(state[entry]);
    }
    tensors_.push_back(make_tensor(name, std::span<const float>(values), std::move(shape)));
  }

  void write(const StatePart& part) {
    const std::string index = "." + std::to_string(part.layer);
    Pick all(part.size);
    for (std::size_t i = 0; i < part.size; ++i) all[i] = part.offset + i;
    switch (part.kind) {
      case StatePart::Kind::hidden:
        return write_hidden(part, index);
      case StatePart::Kind::convolution:
        return write_convolution(part, index);
      case StatePart::Kind::shift:
        return add((part.input == "mixer"          ? "shift"
                    : part.input == "feed_forward" ? "ffn_shift"
                                                   : "shift_" + part.input) +
                       index,
                   {part.size}, all);
      case StatePart::Kind::stabilizer:
        return add("m" + index, {part.size}, all);
      case StatePart::Kind::cell:
        return add("c" + index, {part.size}, all);
      case StatePart::Kind::normalizer:
        return add("n" + index, {part.size}, all);
      case StatePart::Kind::output:
        return add("y" + index, {part.size}, all);
    }
  }

  void write_hidden(const StatePart& part, const std::string& index) {
    using Axes = StatePart::Axes;
    const std::size_t heads = part.shape[0];
    const std::size_t keys = part.shape[1];
    const std::size_t columns = part.shape[2];
    const auto at = [&](std::size_t head, std::size_t key, std::size_t column) {
      return part.offset + (head * keys + key) * columns + column;
    };
    Pick entries;
    if (part.axes == Axes::value_key || part.axes == Axes::value_key_of_one_head) {
      for (std::size_t h = 0; h < heads; ++h) {
        for (std::size_t c = 0; c < columns; ++c) {
          for (std::size_t k = 0; k < keys; ++k) entries.push_back(at(h, k, c));
        }
      }
      if (part.axes == Axes::value_key_of_one_head) return add("S" + index, {columns, keys}, entries);
      return add("S" + index, {heads, columns, keys}, entries);
    }
    const bool normalized = part.axes == Axes::normalizer_last;
    const std::size_t repeat = model_.recurrence(part.layer)->queries;
    const std::size_t values = normalized ? columns - 1 : columns;
    for (std::size_t h = 0; h < heads * repeat; ++h) {
      for (std::size_t k = 0; k < keys; ++k) {
        for (std::size_t c = 0; c < values; ++c) entries.push_back(at(h / repeat, k, c));
      }
    }
    add("S" + index, {heads * repeat, keys, values}, entries);
    if (!normalized) return;
    Pick last;
    for (std::size_t h = 0; h < heads; ++h) {
      for (std::size_t k = 0; k < keys; ++k) last.push_back(at(h, k, columns - 1));
    }
    add("n" + index, {heads, keys}, last);
  }

  void write_convolution(const StatePart& part, const std::string& index) {
    const std::size_t channels = part.shape[1];
    std::vector<float> values;
    for (std::size_t b = 0; b < final_.size(); ++b) {
      for (std::size_t c = 0; c < channels; ++c) values.push_back(before_[b].empty() ? 0 : before_[b][part.offset + c]);
      for (std::size_t i = 0; i < part.size; ++i) values.push_back(final_[b][part.offset + i]);
    }
    std::vector<std::uint64_t> shape = axes_;
    shape.insert(shape.end(), {part.shape[0] + 1, channels});
    tensors_.push_back(
        make_tensor("conv" + index + "." + part.input, std::span<const float>(values), std::move(shape)));
  }

  const Program& model_;
  const std::vector<std::vector<float>>& final_;
  const std::vector<std::vector<float>>& before_;
  std::vector<std::uint64_t> axes_;
  std::vector<Tensor> tensors_;
};

/// The states of every position, token by token.
std::vector<Tensor> run_every_position(const Program& model, const InputIds& ids) {
  const std::size_t length = ids.length;
  const std::size_t size = model.num_logits();
  std::vector<float> logits(ids.words.size() * length * size);
  std::vector<std::vector<float>> after;
  std::vector<std::vector<float>> before;
  LearnedStream<float> stream(model);
  for (std::size_t b = 0; b < ids.words.size(); ++b) {
    stream.restart();
    for (std::size_t t = 0; t < length; ++t) {
      before.push_back(t == 0 ? std::vector<float>() : after.back());
      const std::size_t row = b * length + t;
      try {
        stream.step(ids.words[b][t], std::span(logits).subspan(row * size, size));
      } catch (const NumericError& error) {
        throw NumericError("word " + std::to_string(b) + ", position " + std::to_string(t) + ": " + error.what());
      }
      after.emplace_back(stream.state().begin(), stream.state().end());
    }
  }
  std::vector<Tensor> tensors;
  tensors.push_back(make_tensor("logits", std::span<const float>(logits), {ids.words.size(), length, size}));
  for (Tensor& tensor : StateWriter(model, after, before, {ids.words.size(), length}).tensors()) {
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace

InputIds read_input_ids(const Safetensors& file, const Program& model) {
  const TensorView* ids = file.find("input_ids");
  if (ids == nullptr) throw InputError(file.source() + ": input_ids: expected a tensor of shape [B, T], got none");
  if ((ids->dtype != DType::i64 && ids->dtype != DType::i32) || ids->shape.size() != 2) {
    throw InputError(file.source() + ": input_ids: expected I64 or I32 of shape [B, T], got " + ids->type());
  }
  if (ids->shape[1] == 0 && ids->shape[0] > most_empty_words) {
    throw InputError(file.source() + ": input_ids: expected at most " + std::to_string(most_empty_words) +
                     " words of no token, got " + ids->type());
  }
  const std::vector<std::int64_t> values = to_int64(*ids);
  const auto vocabulary = static_cast<std::int64_t>(model.vocabulary_size());
  std::vector<std::string> problems;
  InputIds result{std::vector<Tokens>(ids->shape[0]), ids->shape[1]};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t b = i / ids->shape[1];
    if (values[i] < 0 || values[i] >= vocabulary) {
      if (problems.size() < 10) {
        problems.push_back(file.source() + ": input_ids[" + std::to_string(b) + "][" +
                           std::to_string(i % ids->shape[1]) + "]: expected an id from 0 to " +
                           std::to_string(vocabulary - 1) + ", got " + std::to_string(values[i]));
      }
      continue;
    }
    result.words[b].push_back(static_cast<std::uint32_t>(values[i]));
  }
  if (!problems.empty()) throw InputError(problems);
  return result;
}

std::vector<Tensor> run_tokens(const Program& model, const InputIds& ids, TokenStates which,
                               const LearnedRunOptions& options, std::string* device) {
  const std::vector<Tokens>& words = ids.words;
  const std::size_t length = ids.length;
  const std::size_t size = model.num_logits();
  for (const Tokens& word : words) {
    if (word.size() != length) throw InternalError("run_tokens: a word of another length");
  }
  if (which == TokenStates::every) {
    if (options.device.is_cuda()) {
      throw InputError("--states every: expected --device cpu or auto, for it runs on the CPU, got cuda");
    }
    if (device != nullptr) *device = "cpu";
    return run_every_position(model, ids);
  }
  const bool states = which == TokenStates::last;
  std::vector<float> logits(words.size() * length * size);
  std::vector<Tokens> runs = words;
  // Entry words + b is word b without its last token.
  if (states && length > 1) {
    for (const Tokens& word : words) runs.emplace_back(word.begin(), word.end() - 1);
  }
  std::vector<std::vector<float>> final(words.size());
  std::vector<std::vector<float>> before(words.size());
  const std::string ran =
      run_learned(model, runs, options, [&](std::size_t run, std::size_t position, auto row, auto state) {
        if (run >= words.size()) {
          if (!state.empty()) before[run - words.size()].assign(state.begin(), state.end());
          return;
        }
        std::copy(row.begin(), row.end(),
                  logits.begin() + static_cast<std::ptrdiff_t>((run * length + position) * size));
        if (states && !state.empty()) final[run].assign(state.begin(), state.end());
      });
  if (device != nullptr) *device = ran;
  std::vector<Tensor> tensors;
  tensors.push_back(make_tensor("logits", std::span<const float>(logits), {words.size(), length, size}));
  if (!states) return tensors;
  if (length == 0) {
    const LearnedStream<float> start(model);
    for (std::vector<float>& state : final) state.assign(start.state().begin(), start.state().end());
  }
  for (Tensor& tensor : StateWriter(model, final, before, {words.size()}).tensors())
    tensors.push_back(std::move(tensor));
  return tensors;
}

std::vector<Tensor> run_word_states(const OpenModel& model, std::span<const Word> words,
                                    const std::atomic<bool>& stop) {
  const Machine& machine = *model.machine;
  const std::size_t symbols = machine.alphabet().size();
  std::vector<std::int64_t> offset{0};
  std::vector<std::int64_t> labels;
  std::vector<std::vector<float>> states;
  std::vector<std::vector<float>> before;
  std::vector<std::byte> state(machine.state_size());
  for (std::size_t w = 0; w < words.size(); ++w) {
    labels.push_back(machine.initial(state).label);
    states.push_back(machine.hidden(state));
    before.emplace_back();
    for (std::size_t t = 0; t < words[w].size(); ++t) {
      if (stop.load(std::memory_order_relaxed)) throw StoppedError();
      if (words[w][t] >= symbols) {
        throw InputError("word " + std::to_string(w) + ": expected symbols below " + std::to_string(symbols) +
                         ", got " + std::to_string(words[w][t]));
      }
      before.push_back(states.back());
      try {
        labels.push_back(machine.step(state, words[w][t]).label);
      } catch (const NumericError& error) {
        throw NumericError("word " + machine.alphabet().format_word(std::span(words[w]).first(t + 1)) + ": " +
                           error.what());
      }
      states.push_back(machine.hidden(state));
    }
    offset.push_back(static_cast<std::int64_t>(labels.size()));
  }
  std::vector<Tensor> tensors;
  tensors.push_back(make_tensor("offset", std::span<const std::int64_t>(offset)));
  tensors.push_back(make_tensor("labels", std::span<const std::int64_t>(labels)));
  if (model.learned) {
    for (Tensor& tensor : StateWriter(*model.learned, states, before, {states.size()}).tensors()) {
      tensors.push_back(std::move(tensor));
    }
    return tensors;
  }
  std::size_t begin = 0;
  if (machine.compiled() == nullptr) throw InternalError("run_word_states: neither a learned nor a compiled model");
  const LrnnModel& compiled = *machine.compiled();
  for (std::size_t l = 0; l < compiled.layers().size(); ++l) {
    const std::size_t keys = compiled.layers()[l].table.key_size();
    const std::size_t columns = compiled.layers()[l].table.value_size();
    std::vector<float> values;
    for (const std::vector<float>& one : states) {
      values.insert(values.end(), one.begin() + static_cast<std::ptrdiff_t>(begin),
                    one.begin() + static_cast<std::ptrdiff_t>(begin + keys * columns));
    }
    begin += keys * columns;
    tensors.push_back(
        make_tensor("S." + std::to_string(l), std::span<const float>(values), {states.size(), 1, keys, columns}));
  }
  return tensors;
}

}  // namespace krohn
