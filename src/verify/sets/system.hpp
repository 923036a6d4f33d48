// A learned model of one layer as a switched linear system. What a token does to the state of the one recurrence is a
// function of the last tokens, as far as convolutions and token shifts look back, and is known on the bits: the inputs
// of the recurrence are computed by the canonical form itself. A *situation* is a state of the language's automaton and
// the last tokens; a *context* is the last tokens and the token at hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/model/program.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn::sets {

/// What a token does to one state S [key_size, value_size] of the recurrence, and how it reads it: S = decay . S,
/// S = S + write (beta (value - read^T S))^T, answer S^T query. The numbers are the canonical form's.
struct HeadStep {
  /// 1 number, key_size, or key_size * value_size.
  std::vector<float> decay;
  /// Empty: nothing is read.
  std::vector<float> read;
  /// Empty: no update.
  std::vector<float> write;
  std::vector<float> value;
  float beta = 1.0F;
  /// There is a product with it, and a rounding.
  bool scales = false;
  std::vector<float> query;
};

struct Context {
  Tokens tokens;
  /// By head.
  std::vector<HeadStep> heads;
};

struct Situation {
  State state = 0;
  Tokens last;
};

class System {
 public:
  /// Why a model is not one, or the system.
  static std::optional<std::string> obstacle(const Program& program);
  /// Of a program without obstacle.
  System(const Program& program, const LearnedTask& task, const Specification& specification);

  const Program& program() const { return *program_; }
  const LearnedTask& task() const { return *task_; }
  const Specification& specification() const { return *specification_; }
  const LinearRecurrence& recurrence() const { return *recurrence_; }
  std::size_t heads() const { return recurrence_->states; }
  std::size_t symbols() const { return task_->tokens.size(); }

  /// The first is that before the first symbol; all can be reached.
  const std::vector<Situation>& situations() const { return situations_; }
  std::uint32_t next(std::uint32_t situation, Symbol a) const { return next_[situation * symbols() + a]; }
  std::uint32_t context(std::uint32_t situation, Symbol a) const { return context_[situation * symbols() + a]; }
  const std::vector<Context>& contexts() const { return contexts_; }
  /// Of the first token that no symbol stands for, if the task has one.
  std::optional<std::uint32_t> first_context() const { return first_context_; }

  struct Predecessor {
    std::uint32_t situation = 0;
    Symbol symbol = 0;
  };
  const std::vector<Predecessor>& predecessors(std::uint32_t situation) const { return predecessors_[situation]; }

  /// Of every context and head its decay, write, value, beta and query, one after the other.
  std::vector<float> inputs() const;

  /// Every decay of every context is below 1, and no update stretches: what lies far back is forgotten.
  bool contracts() const;

 private:
  std::uint32_t context_of(const Tokens& tokens);
  void read_inputs();

  const Program* program_;
  const LearnedTask* task_;
  const Specification* specification_;
  const LinearRecurrence* recurrence_;
  std::size_t look_back_;
  std::vector<Situation> situations_;
  std::vector<std::uint32_t> next_;
  std::vector<std::uint32_t> context_;
  std::vector<Context> contexts_;
  std::optional<std::uint32_t> first_context_;
  std::vector<std::vector<Predecessor>> predecessors_;
};

/// Whether the last symbols of a word, so many for all words, decide its state.
bool is_definite(const Dfa& automaton);

}  // namespace krohn::sets
