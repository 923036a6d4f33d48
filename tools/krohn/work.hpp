// What a command is doing: shown on stderr where that is a terminal and the work takes over a second (the method, the
// part done, the time left), and ended by the first interrupt or the time limit.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "krohn/engine/enumerate.hpp"

namespace krohn::cli {

class Work {
 public:
  using Clock = std::chrono::steady_clock;
  /// How work ends early. With a result: the work looks at stop() and hands over what it has. With nothing: a half-done
  /// result is none, so that the program says so and ends with exit_unknown at once.
  enum class Early { with_result, with_nothing };

  /// `name` is the command's, `time_limit` in seconds. One at a time.
  Work(std::string name, Early early, std::optional<double> time_limit = std::nullopt);
  ~Work();
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  /// Set by the first interrupt (SIGINT or SIGTERM; a second one ends the program) and at the deadline.
  const std::atomic<bool>& stop() const noexcept { return stop_; }
  std::optional<Clock::time_point> deadline() const noexcept { return deadline_; }
  bool interrupted() const noexcept;
  /// What the first interrupt does, for a host without signals and threads: it calls this while the work asks it for
  /// the time.
  static void interrupt();

  /// From here on the work ends early with a result.
  void has_result();

  /// Whether the time left is counted from here.
  enum class Time { begins, goes_on };
  /// What is being done now, in a word or two. Where time begins the part done is unknown again.
  void method(const std::string& text, Time time = Time::begins);
  /// So much of it is done.
  void part(double done, double total);
  /// What else the line says, such as a rate.
  void detail(const std::string& text);

  /// Takes the line away before something else is printed.
  void clear();

  /// The work is over: the line is cleared, nothing is ended early any more (results are written whole), and where the
  /// work was stopped stderr says by what and `what_follows`, unless that is empty. True if it was stopped.
  bool finish(const std::string& what_follows = "");

 private:
  void watch(const std::stop_token& token);
  /// Ends what is over its time, shows what is due. `mutex_` is held.
  void look();
  void show(Clock::time_point now);
  std::string reason() const;

  /// Where there is no thread that looks.
  static Work* going_on_;

  const std::string name_;
  Early early_;
  const bool terminal_;
  const Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> deadline_;
  double time_limit_ = 0.0;
  std::atomic<bool> stop_ = false;
  bool finished_ = false;
  bool shown_ = false;
  Clock::time_point drawn_ = start_;
  mutable std::mutex mutex_;
  std::string method_;
  std::string detail_;
  double done_ = 0.0;
  double total_ = 0.0;
  Clock::time_point method_start_ = Clock::now();
  std::jthread watcher_;
};

/// The part, rate and length of a search of all words.
void show_search(Work& work, const EnumerateProgress& progress);

}  // namespace krohn::cli
