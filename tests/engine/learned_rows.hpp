// Runs a LearnedProgram on the CPU, one element function at a time, as the device's simple kernels do: the tests' way
// to see that the program is the forward pass.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "krohn/engine/learned_program.hpp"
#include "krohn/kernels/learned_elements.hpp"

namespace krohn::testing {

class LearnedRowsOnCpu {
 public:
  explicit LearnedRowsOnCpu(const LearnedProgram& program) : program_(program) {}

  /// As LearnedDevice::read, with states [words, state_size]; `source` may be empty.
  void read(const std::vector<std::uint32_t>& tokens, const std::vector<std::uint32_t>& first_row,
            const std::vector<std::uint32_t>& length, const std::vector<std::uint32_t>& source,
            const std::vector<float>& from, std::vector<float>& to) {
    using namespace learned_elements;
    LearnedRows x;
    x.rows = static_cast<std::uint32_t>(tokens.size());
    x.words = static_cast<std::uint32_t>(length.size());
    x.pitch = (tokens.size() + 3) / 4 * 4;
    features_.assign(program_.num_features * x.pitch, 0.0F);
    std::vector<std::uint32_t> word;
    for (std::uint32_t w = 0; w < x.words; ++w) {
      word.insert(word.end(), length[w], w);
      x.longest = std::max(x.longest, length[w]);
    }
    x.features = features_.data();
    x.weights = program_.weights.data();
    x.token = tokens.data();
    x.word = word.data();
    x.first_row = first_row.data();
    x.length = length.data();
    x.source = source.empty() ? nullptr : source.data();
    x.state_size = program_.initial_state.size();
    to.assign(length.size() * x.state_size, 0.0F);
    x.state_in = from.data();
    x.state_out = to.data();
    for (const LearnedOperation& op : program_.operations) run(op, x);
    rows_ = x;
  }

  float logit(std::uint32_t row, std::uint32_t i) const { return *rows_.at(program_.logits + i, row); }

 private:
  void run(const LearnedOperation& op, const LearnedRows& x) {
    using namespace learned_elements;
    using Kind = LearnedOperation::Kind;
    const auto each = [&](std::uint32_t count, std::uint32_t others, const auto& element) {
      for (std::uint32_t i = 0; i < count; ++i) {
        for (std::uint32_t other = 0; other < others; ++other) element(i, other);
      }
    };
    switch (op.kind) {
      case Kind::gather:
        return each(op.count, x.rows, [&](std::uint32_t i, std::uint32_t j) { gather(op, x, i, j); });
      case Kind::multiply:
        for (std::uint32_t block = 0; block < op.groups; ++block) {
          for (std::uint32_t o = 0; o < op.count; ++o) {
            for (std::uint32_t row = 0; row < x.rows; ++row) multiply(op, x, block, o, row);
          }
        }
        return;
      case Kind::map:
        return each(op.count, x.rows, [&](std::uint32_t i, std::uint32_t j) { map(op, x, i, j); });
      case Kind::constants:
        return each(op.count, x.rows, [&](std::uint32_t i, std::uint32_t j) { constants(op, x, i, j); });
      case Kind::group:
        return each(op.count, x.rows, [&](std::uint32_t i, std::uint32_t j) { group(op, x, i, j); });
      case Kind::convolution:
        // It may work in place.
        each(op.count, x.words, [&](std::uint32_t i, std::uint32_t j) { keep_tail(op, x, i, j); });
        return each(op.count, x.rows, [&](std::uint32_t i, std::uint32_t j) { convolution(op, x, i, j); });
      case Kind::shift:
        each(op.count, x.rows, [&](std::uint32_t i, std::uint32_t j) { shift(op, x, i, j); });
        return each(op.count, x.words, [&](std::uint32_t i, std::uint32_t j) { keep_shift(op, x, i, j); });
      case Kind::stabilizer:
        return each(op.count, x.words, [&](std::uint32_t i, std::uint32_t j) { stabilizer(op, x, i, j); });
      case Kind::recurrence:
        return recur(recurrence(program_.recurrences[op.w0], x));
      case Kind::cell:
        for (std::uint32_t w = 0; w < x.words; ++w) cells(op, x, w);
        return;
    }
  }

  struct OneThread {
    template <class F>
    void each(std::uint32_t n, const F& f) const {
      for (std::uint32_t i = 0; i < n; ++i) f(i);
    }
  };

  static void recur(const Recurrence& r) {
    using recurrence_detail::state_offset;
    if (r.ridge.data != nullptr || r.codes != nullptr) {
      std::vector<float> scratch(recurrence_scratch(r));
      for (std::uint32_t w = 0; w < r.words; ++w) {
        for (std::uint32_t h = 0; h < r.heads; ++h) {
          const float* from = r.state_in + state_offset(r, r.source != nullptr ? r.source[w] : w, h);
          std::vector<float> S(from, from + std::size_t{r.key_size} * r.value_size);
          recurrence_head(r, w, h, S.data(), scratch.data(), OneThread());
          if (h % r.state_group == 0) std::copy(S.begin(), S.end(), r.state_out + state_offset(r, w, h));
        }
      }
      return;
    }
    std::vector<float> S(r.key_size);
    for (std::uint32_t w = 0; w < r.words; ++w) {
      for (std::uint32_t h = 0; h < r.heads; ++h) {
        for (std::uint32_t c = 0; c < r.value_size; ++c) {
          const float* from = r.state_in + state_offset(r, r.source != nullptr ? r.source[w] : w, h) + c;
          for (std::uint32_t j = 0; j < r.key_size; ++j) S[j] = from[std::size_t{j} * r.value_size];
          recurrence_column(r, w, h, c, S.data(), 1);
          float* to = r.state_out + state_offset(r, w, h) + c;
          if (h % r.state_group != 0) continue;
          for (std::uint32_t j = 0; j < r.key_size; ++j) to[std::size_t{j} * r.value_size] = S[j];
        }
      }
    }
  }

  static void cells(const LearnedOperation& op, const LearnedRows& x, std::uint32_t w) {
    using namespace learned_elements;
    const float* carried = x.carried(w) + op.state;
    const std::uint32_t size = op.count;
    std::vector<Cell> cells(size);
    std::vector<float> outputs(carried, carried + size);
    for (std::uint32_t i = 0; i < size; ++i) {
      cells[i] = {carried[i], carried[size + i], carried[2 * size + i], carried[3 * size + i]};
    }
    for (std::uint32_t row = x.first_row[w]; row < x.first_row[w] + x.length[w]; ++row) {
      for (std::uint32_t i = 0; i < size; ++i) {
        float raw[4];
        const std::uint32_t head = i / op.size;
        for (std::uint32_t slot = 0; slot < 4; ++slot) {
          raw[slot] = complete_slot(op, x, slot, head, i % op.size, row, outputs.data() + head * op.size);
        }
        advance(cells[i], raw);
      }
      for (std::uint32_t i = 0; i < size; ++i) *x.at(op.out + i, row) = outputs[i] = cells[i].output;
    }
    float* kept = x.state_out + w * x.state_size + op.state;
    for (std::uint32_t i = 0; i < size; ++i) {
      kept[i] = cells[i].output;
      kept[size + i] = cells[i].cell;
      kept[2 * size + i] = cells[i].normalizer;
      kept[3 * size + i] = cells[i].stabilizer;
    }
  }

  const LearnedProgram& program_;
  std::vector<float> features_;
  LearnedRows rows_;
};

}  // namespace krohn::testing
