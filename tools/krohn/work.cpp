// A thread of its own looks at the interrupt flag twenty times a second, so that work which never asks is ended too. On
// a machine without threads the work itself looks when it tells how far it is, and when the host interrupts it.
#include "work.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <utility>

#include "command.hpp"
#include "interrupt.hpp"
#include "krohn/engine/threads.hpp"

namespace krohn::cli {
namespace {

constexpr std::chrono::milliseconds glance{50};
constexpr std::chrono::seconds silence{1};
constexpr std::chrono::milliseconds redraw{250};

}  // namespace

Work* Work::going_on_ = nullptr;

Work::Work(std::string name, Early early, std::optional<double> time_limit)
    : name_(std::move(name)), early_(early), terminal_(isatty(STDERR_FILENO) != 0) {
  static_cast<void>(interrupt_flag());
  if (time_limit) {
    time_limit_ = *time_limit;
    deadline_ = start_ + std::chrono::milliseconds(static_cast<std::int64_t>(*time_limit * 1000.0));
  }
  if (machine_has_threads) {
    watcher_ = std::jthread([this](const std::stop_token& token) { watch(token); });
  } else {
    going_on_ = this;
  }
}

Work::~Work() {
  if (watcher_.joinable()) {
    watcher_.request_stop();
    watcher_.join();
  }
  going_on_ = nullptr;
  if (shown_) std::fprintf(stderr, "\r\033[K");
}

bool Work::interrupted() const noexcept { return interrupt_flag().load(std::memory_order_relaxed); }

void Work::interrupt() {
  static_cast<void>(interrupt_flag());
  std::raise(SIGINT);
  if (going_on_ != nullptr && !going_on_->finished_) going_on_->look();
}

void Work::method(const std::string& text, Time time) {
  const std::lock_guard lock(mutex_);
  method_ = text;
  if (time == Time::begins) {
    detail_.clear();
    done_ = total_ = 0.0;
    method_start_ = Clock::now();
  }
  if (!machine_has_threads) look();
}

void Work::part(double done, double total) {
  const std::lock_guard lock(mutex_);
  done_ = done;
  total_ = total;
  if (!machine_has_threads) look();
}

void Work::detail(const std::string& text) {
  const std::lock_guard lock(mutex_);
  detail_ = text;
  if (!machine_has_threads) look();
}

void Work::has_result() {
  const std::lock_guard lock(mutex_);
  early_ = Early::with_result;
}

void Work::clear() {
  const std::lock_guard lock(mutex_);
  if (shown_) std::fprintf(stderr, "\r\033[K");
  shown_ = false;
}

std::string Work::reason() const {
  if (interrupted()) return "interrupted";
  char text[64];
  std::snprintf(text, sizeof text, "ended by the time limit of %g s", time_limit_);
  return text;
}

bool Work::finish(const std::string& what_follows) {
  const std::lock_guard lock(mutex_);
  finished_ = true;
  if (shown_) std::fprintf(stderr, "\r\033[K");
  shown_ = false;
  if (!stop_) return false;
  if (!what_follows.empty()) std::fprintf(stderr, "krohn: %s: %s\n", reason().c_str(), what_follows.c_str());
  return true;
}

void Work::watch(const std::stop_token& token) {
  while (!token.stop_requested()) {
    std::this_thread::sleep_for(glance);
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    look();
  }
}

void Work::look() {
  const Clock::time_point now = Clock::now();
  if (interrupted() || (deadline_ && now >= *deadline_)) {
    stop_ = true;
    if (early_ == Early::with_nothing) {
      if (shown_) std::fprintf(stderr, "\r\033[K");
      std::fprintf(stderr, "krohn: %s: there is no result\n", reason().c_str());
      _exit(exit_unknown);
    }
  }
  if (terminal_ && now - start_ >= silence && now - drawn_ >= redraw) {
    show(now);
    drawn_ = now;
  }
}

void Work::show(Clock::time_point now) {
  const auto seconds = [](Clock::duration span) { return std::chrono::duration<double>(span).count(); };
  std::string line = name_ + (method_.empty() ? "" : ": " + method_);
  char text[96];
  if (total_ > 0.0) {
    const double spent = seconds(now - method_start_);
    const double left = done_ > 0.0 ? spent * (total_ - done_) / done_ : 0.0;
    std::snprintf(text, sizeof text, ", %.0f %%", 100.0 * done_ / total_);
    line += text;
    if (done_ > 0.0) {
      std::snprintf(text, sizeof text, ", %.0f s left", left);
      line += text;
    }
  } else {
    std::snprintf(text, sizeof text, ", %.0f s", seconds(now - start_));
    line += text;
    if (deadline_) {
      std::snprintf(text, sizeof text, ", at most %.0f s left", std::max(0.0, seconds(*deadline_ - now)));
      line += text;
    }
  }
  if (!detail_.empty()) line += ", " + detail_;
  if (stop_) line += ", ending";
  std::fprintf(stderr, "\r%s\033[K", line.c_str());
  std::fflush(stderr);
  shown_ = true;
}

void show_search(Work& work, const EnumerateProgress& progress) {
  work.part(static_cast<double>(progress.nodes), static_cast<double>(progress.total));
  char text[96];
  std::snprintf(text, sizeof text, "%.3g of %.3g words, %.3g a second, length %llu done",
                static_cast<double>(progress.nodes), static_cast<double>(progress.total),
                static_cast<double>(progress.nodes) / progress.seconds,
                static_cast<unsigned long long>(progress.length));
  work.detail(text);
}

}  // namespace krohn::cli
