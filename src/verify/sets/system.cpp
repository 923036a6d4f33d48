// Tested by tests/verify/sets_test.cpp.
#include "sets/system.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "krohn/engine/affine.hpp"
#include "krohn/engine/interpreter.hpp"
#include "krohn/error.hpp"

namespace krohn::sets {
namespace {

constexpr std::size_t most_situations = 4096;

/// How many tokens before the last a value depends on; nothing where it depends on the recurrence.
struct Reach {
  std::vector<std::optional<std::size_t>> of_value;
  std::size_t most = 0;
};

Reach reach_of(const Program& program) {
  Reach reach;
  for (const Operation& operation : program.operations()) {
    std::optional<std::size_t> own = 0;
    for (const Slice& slice : inputs_of(operation)) {
      const std::optional<std::size_t> of = reach.of_value[slice.value];
      own = own && of ? std::optional(std::max(*own, *of)) : std::nullopt;
    }
    if (const auto* convolution = std::get_if<ShortConvolution>(&operation.kind); convolution != nullptr && own) {
      *own += program.tensors()[convolution->weight].shape[2] - 1;
    }
    if (std::holds_alternative<TokenShift>(operation.kind) && own) *own += 1;
    if (std::holds_alternative<LinearRecurrence>(operation.kind)) own = std::nullopt;
    if (own) reach.most = std::max(reach.most, *own);
    reach.of_value.push_back(own);
  }
  return reach;
}

using Number = affine::Form<1>;

/// Keeps what the one recurrence is given, and answers nothing.
class Recorder final : public forward::Probe<Number> {
 public:
  explicit Recorder(const LinearRecurrence& recurrence) : recurrence_(recurrence) {}
  std::vector<HeadStep> heads;

  void recurrence(std::size_t, std::size_t head, std::size_t key_size, std::size_t value_size,
                  const forward::Decay<Number>& decay, std::span<const forward::Update<Number>> updates) override {
    using Kind = forward::Decay<Number>::Kind;
    heads.resize(std::max(heads.size(), head + 1));
    HeadStep& step = heads[head];
    const auto numbers = [](const Number* from, std::size_t count) {
      std::vector<float> result;
      for (std::size_t i = 0; i < count; ++i) {
        if (!from[i].exact) throw InternalError("sets: an input of the recurrence is not exact");
        result.push_back(from[i].number());
      }
      return result;
    };
    step.decay = decay.kind == Kind::none     ? std::vector<float>{1.0F}
                 : decay.kind == Kind::scalar ? numbers(decay.values, 1)
                 : decay.kind == Kind::key    ? numbers(decay.values, key_size)
                                              : numbers(decay.values, key_size * value_size);
    if (!updates.empty()) {
      const forward::Update<Number>& update = updates.front();
      if (update.read != nullptr) step.read = numbers(update.read, key_size);
      step.write = numbers(update.write, key_size);
      step.value = update.value == nullptr ? std::vector<float>(value_size, 0.0F) : numbers(update.value, value_size);
      step.scales = update.beta != nullptr;
      if (step.scales) step.beta = numbers(update.beta, 1).front();
    }
  }
  bool answer(std::size_t, std::size_t head, std::size_t queries, const Number* query, Number* out) override {
    for (std::size_t i = 0; i < recurrence_.key_size; ++i) heads[head].query.push_back(query[i].number());
    std::fill_n(out, queries * recurrence_.answer_size(), Number());
    return true;
  }

 private:
  const LinearRecurrence& recurrence_;
};

}  // namespace

std::optional<std::string> System::obstacle(const Program& program) {
  const LinearRecurrence* found = nullptr;
  if (program.deferred()) return "the weights are not in memory";
  if (program.snapped()) return "the model is hardened";
  const Reach reach = reach_of(program);
  for (const Operation& operation : program.operations()) {
    const std::string name(name_of(operation));
    if (std::holds_alternative<Stabilizer>(operation.kind) || std::holds_alternative<SlstmCell>(operation.kind)) {
      return "the " + name + " carries a state of its own";
    }
    bool above = false;
    for (const Slice& slice : inputs_of(operation)) above = above || !reach.of_value[slice.value];
    if (above && !state_parts_of(operation).empty()) return "a " + name + " above the recurrence carries a state";
    const auto* recurrence = std::get_if<LinearRecurrence>(&operation.kind);
    if (recurrence == nullptr) continue;
    if (found != nullptr) return "there is more than one recurrence";
    found = recurrence;
    if (recurrence->ridge.present()) return "the answer solves an equation";
    if (recurrence->reads_before) return "the answer is read before the update";
    if (recurrence->queries != 1) return "several queries read one state";
    if (recurrence->decay == LinearRecurrence::Decay::rotation) return "the decay rotates";
    if (recurrence->updates.size() > 1) return "a token makes several updates";
    for (const RankOneUpdate& update : recurrence->updates) {
      if (update.reads_undecayed) return "the update reads the state before its decay";
    }
  }
  if (found == nullptr) return "there is no recurrence";
  for (const StatePart& part : program.state_parts()) {
    if (part.initial != 0.0F) return "the state before the first token is not 0";
  }
  return std::nullopt;
}

System::System(const Program& program, const LearnedTask& task, const Specification& specification)
    : program_(&program),
      task_(&task),
      specification_(&specification),
      recurrence_(nullptr),
      look_back_(reach_of(program).most) {
  for (const Operation& operation : program.operations()) {
    if (const auto* recurrence = std::get_if<LinearRecurrence>(&operation.kind)) recurrence_ = recurrence;
  }
  const Dfa& automaton = specification.automaton();
  std::map<std::pair<State, Tokens>, std::uint32_t> numbers;
  const auto number_of = [&](State q, Tokens last) {
    const auto [entry, fresh] = numbers.emplace(std::pair(q, last), static_cast<std::uint32_t>(situations_.size()));
    if (fresh) situations_.push_back({q, std::move(last)});
    return entry->second;
  };
  const auto shifted = [&](Tokens last, std::uint32_t token) {
    last.push_back(token);
    if (last.size() > look_back_) last.erase(last.begin());
    return last;
  };
  Tokens begin;
  if (task.first_token) {
    first_context_ = context_of({*task.first_token});
    begin = shifted({}, *task.first_token);
  }
  number_of(automaton.start(), begin);
  for (std::uint32_t s = 0; s < situations_.size() && situations_.size() <= most_situations; ++s) {
    for (Symbol a = 0; a < symbols(); ++a) {
      const Situation from = situations_[s];
      Tokens tokens = from.last;
      tokens.push_back(task.tokens[a]);
      context_.push_back(context_of(tokens));
      next_.push_back(number_of(automaton.next(from.state, a), shifted(from.last, task.tokens[a])));
    }
  }
  if (situations_.size() > most_situations) {
    situations_.clear();
    return;
  }
  predecessors_.resize(situations_.size());
  for (std::uint32_t s = 0; s < situations_.size(); ++s) {
    for (Symbol a = 0; a < symbols(); ++a) predecessors_[next(s, a)].push_back({s, a});
  }
  read_inputs();
}

std::uint32_t System::context_of(const Tokens& tokens) {
  const auto found = std::ranges::find(contexts_, tokens, &Context::tokens);
  if (found != contexts_.end()) return static_cast<std::uint32_t>(found - contexts_.begin());
  contexts_.push_back({tokens, {}});
  return static_cast<std::uint32_t>(contexts_.size() - 1);
}

void System::read_inputs() {
  forward::Interpreter<forward::OneByOne<Number>> pass(*program_);
  std::vector<Number> state(program_->state_size());
  std::vector<Number> logits(program_->num_logits());
  for (Context& context : contexts_) {
    pass.initial(state.data());
    for (const std::uint32_t token : context.tokens) {
      Recorder recorder(*recurrence_);
      pass.step(state.data(), &token, logits.data(), &recorder);
      context.heads = std::move(recorder.heads);
    }
  }
}

std::vector<float> System::inputs() const {
  std::vector<float> list;
  for (const Context& context : contexts_) {
    for (const HeadStep& step : context.heads) {
      list.insert(list.end(), step.decay.begin(), step.decay.end());
      list.insert(list.end(), step.write.begin(), step.write.end());
      list.insert(list.end(), step.value.begin(), step.value.end());
      list.push_back(step.beta);
      list.insert(list.end(), step.query.begin(), step.query.end());
    }
  }
  return list;
}

bool System::contracts() const {
  return std::ranges::all_of(contexts_, [](const Context& context) {
    return std::ranges::all_of(context.heads, [](const HeadStep& step) {
      double factor = 1.0;
      if (!step.read.empty()) {
        // The eigenvalue of I - beta k k^T along k; other updates are not judged.
        if (step.read != step.write) return false;
        double square = 0.0;
        for (const float k : step.read) square += static_cast<double>(k) * static_cast<double>(k);
        factor = std::max(1.0, std::abs(1.0 - static_cast<double>(step.beta) * square));
      }
      return std::ranges::all_of(
          step.decay, [factor](float a) { return std::abs(static_cast<double>(a)) * factor * (1.0 + 0x1p-40) < 1.0; });
    });
  });
}

bool is_definite(const Dfa& automaton) {
  // Definite iff among pairs of two states none leads, by equal symbols, back to itself.
  const std::size_t n = automaton.num_states();
  if (n > 2048) return false;
  std::vector<std::uint8_t> mark(n * n, 0);
  std::vector<std::pair<std::size_t, Symbol>> stack;
  for (std::size_t begin = 0; begin < n * n; ++begin) {
    if (mark[begin] != 0 || begin / n == begin % n) continue;
    stack.emplace_back(begin, 0);
    mark[begin] = 1;
    while (!stack.empty()) {
      auto& [pair, symbol] = stack.back();
      if (symbol == automaton.num_symbols()) {
        mark[pair] = 2;
        stack.pop_back();
        continue;
      }
      const State p = automaton.next(static_cast<State>(pair / n), symbol);
      const State q = automaton.next(static_cast<State>(pair % n), symbol);
      ++symbol;
      if (p == q) continue;
      const std::size_t to = p * n + q;
      if (mark[to] == 1) return false;
      if (mark[to] == 0) {
        mark[to] = 1;
        stack.emplace_back(to, 0);
      }
    }
  }
  return true;
}

}  // namespace krohn::sets
