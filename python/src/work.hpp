// Long calls: the work is done on a thread of its own, without the interpreter's lock, while the caller's thread looks
// twenty times a second for Ctrl-C and tells a Python callback how far it has come.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace krohn::python {

namespace nb = nanobind;

/// What the work tells, and how it is told to end.
class Work {
 public:
  /// Set by Ctrl-C, and by a callback that raises.
  std::atomic<bool> stop = false;

  void begins(const std::string& stage) {
    const std::lock_guard lock(mutex_);
    stage_ = stage;
    done_ = total_ = 0.0;
    fresh_ = true;
  }
  void part(double done, double total) {
    const std::lock_guard lock(mutex_);
    done_ = done;
    total_ = total;
    fresh_ = true;
  }

  struct Told {
    std::string stage;
    double done = 0.0;
    double total = 0.0;
  };
  /// What has not been asked for yet.
  std::optional<Told> news() {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(fresh_, false)) return std::nullopt;
    return Told{stage_, done_, total_};
  }

 private:
  std::mutex mutex_;
  std::string stage_;
  double done_ = 0.0;
  double total_ = 0.0;
  bool fresh_ = false;
};

/// Runs `task`, which must hold no Python object. `progress` is None or called with (stage, done, total), total 0 where
/// the part done is not known. Ctrl-C sets the stop flag and raises KeyboardInterrupt; work that does not look at the
/// flag within two seconds is left to end by itself.
template <class Result>
Result run_work(const nb::object& progress, std::function<Result(Work&)> task) {
  struct Shared {
    Work work;
    std::mutex mutex;
    std::condition_variable ended;
    bool over = false;
    std::optional<Result> result;
    std::exception_ptr error;
  };
  const auto shared = std::make_shared<Shared>();
  std::thread thread([shared, task = std::move(task)]() mutable {
    try {
      shared->result.emplace(task(shared->work));
    } catch (...) {
      shared->error = std::current_exception();
    }
    task = nullptr;
    const std::lock_guard lock(shared->mutex);
    shared->over = true;
    shared->ended.notify_all();
  });
  const auto wait = [&shared](std::chrono::milliseconds span) {
    const nb::gil_scoped_release release;
    std::unique_lock lock(shared->mutex);
    return shared->ended.wait_for(lock, span, [&] { return shared->over; });
  };
  const auto give_up = [&] {
    shared->work.stop = true;
    if (wait(std::chrono::seconds(2))) {
      thread.join();
    } else {
      thread.detach();
    }
  };
  while (!wait(std::chrono::milliseconds(50))) {
    if (PyErr_CheckSignals() != 0) {
      nb::python_error interrupt;
      give_up();
      throw interrupt;
    }
    if (progress.is_none()) continue;
    if (const auto told = shared->work.news()) {
      try {
        progress(told->stage, told->done, told->total);
      } catch (nb::python_error& error) {
        nb::python_error raised(std::move(error));
        give_up();
        throw raised;
      }
    }
  }
  thread.join();
  if (shared->error) std::rethrow_exception(shared->error);
  if (!progress.is_none()) {
    if (const auto told = shared->work.news()) progress(told->stage, told->done, told->total);
  }
  return std::move(*shared->result);
}

}  // namespace krohn::python
