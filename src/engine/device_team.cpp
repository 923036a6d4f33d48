// A part is open until a worker has come to its end: a worker without a part waits while others are at work, because
// they may fail and leave theirs. Invariant: every part below the first that is not handed out is done, at work, or
// among those given back.
#include "krohn/engine/device_team.hpp"

#include <algorithm>
#include <string_view>
#include <thread>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::string_view failed = " failed and others did its part of the work: ";

std::function<void(std::size_t, std::size_t)>& probe() {
  static std::function<void(std::size_t, std::size_t)> function;
  return function;
}

}  // namespace

/// Under the team's mutex.
struct DeviceTeam::Queue {
  std::size_t parts = 0;
  std::size_t next = 0;
  /// Left by workers that failed.
  std::set<std::size_t> given_back;
  std::size_t at_work = 0;
  bool stopped = false;
  /// The lowest part that ended in an error of its own; only parts below it are still worked.
  std::size_t limit = 0;
  std::exception_ptr error;
  std::condition_variable changed;

  bool has_part() const {
    return (!given_back.empty() && *given_back.begin() < limit) || next < std::min(parts, limit);
  }
  std::size_t take() {
    if (given_back.empty()) return next++;
    const std::size_t part = *given_back.begin();
    if (part > next) return next++;
    given_back.erase(given_back.begin());
    return part;
  }
};

DeviceTeam::DeviceTeam(std::vector<Member> members, Bind bind)
    : members_(std::move(members)), bind_(std::move(bind)), failure_(members_.size()), failure_text_(members_.size()) {
  if (members_.empty()) throw InternalError("device team: expected a member, got none");
  std::set<int> started;
  for (const Member& member : members_) {
    if (!started.insert(member.number).second) continue;
    starts_.emplace_back([bind = bind_, member] {
      try {
        bind(member);
      } catch (...) {
        // Seen again by the worker that needs the device.
      }
    });
  }
}

void DeviceTeam::set_probe(std::function<void(std::size_t, std::size_t)> function) { probe() = std::move(function); }

bool DeviceTeam::tells_of_failure(const std::string& description) {
  return description.find(failed) != std::string::npos;
}

std::string DeviceTeam::description() const {
  const std::lock_guard lock(mutex_);
  // Devices of one name together, in the order of the members.
  std::vector<std::pair<std::string, std::set<int>>> names;
  std::set<int> devices;
  for (const Member& member : members_) {
    devices.insert(member.number);
    const auto same = std::find_if(names.begin(), names.end(), [&](const auto& n) { return n.first == member.name; });
    if (same == names.end()) {
      names.push_back({member.name, {member.number}});
    } else {
      same->second.insert(member.number);
    }
  }
  std::string text;
  for (const auto& [name, numbers] : names) {
    text += (text.empty() ? "" : ", ") + (numbers.size() > 1 ? std::to_string(numbers.size()) + " x " : "") + name;
  }
  if (members_.size() > devices.size()) text += " (" + std::to_string(members_.size()) + " workers)";
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!failure_[i]) continue;
    text += "; device " + std::to_string(members_[i].number) + std::string(failed) + failure_text_[i];
  }
  return text;
}

void DeviceTeam::serve(std::size_t member, Queue& queue, const Task& task) {
  std::unique_lock lock(mutex_);
  bool bound = false;
  for (;;) {
    queue.changed.wait(lock, [&] { return queue.stopped || queue.has_part() || queue.at_work == 0; });
    if (queue.stopped || !queue.has_part()) return;
    if (task.stopped) {
      lock.unlock();
      const bool stop = task.stopped();
      lock.lock();
      if (stop) {
        queue.stopped = true;
        queue.changed.notify_all();
        return;
      }
      if (queue.stopped || !queue.has_part()) continue;
    }
    const std::size_t part = queue.take();
    ++queue.at_work;
    lock.unlock();
    std::exception_ptr broken;
    std::exception_ptr error;
    std::string text;
    try {
      if (!bound) bind_(members_[member]);
      bound = true;
      if (probe()) probe()(member, part);
      task.work(member, part);
    } catch (const DeviceError& failure) {
      broken = std::current_exception();
      text = failure.what();
    } catch (const ResourceError& failure) {
      broken = std::current_exception();
      text = failure.what();
    } catch (...) {
      error = std::current_exception();
    }
    if (broken) task.close(member);
    lock.lock();
    --queue.at_work;
    if (broken) {
      queue.given_back.insert(part);
      failure_[member] = broken;
      failure_text_[member] = text;
    }
    if (error && part < queue.limit) {
      queue.limit = part;
      queue.error = error;
    }
    queue.changed.notify_all();
    if (broken) return;
  }
}

void DeviceTeam::run(std::size_t parts, const Task& task) {
  Queue queue;
  queue.parts = parts;
  queue.limit = parts;
  std::vector<std::size_t> able;
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (!failure_[i]) able.push_back(i);
    }
  }
  {
    std::vector<std::jthread> threads;
    for (const std::size_t member : able) {
      if (threads.size() < parts) threads.emplace_back([&, member] { serve(member, queue, task); });
    }
    threads.clear();
    // Those without a part from the beginning may be needed after all.
    if (queue.has_part() && !queue.stopped && able.size() > parts) {
      for (std::size_t i = parts; i < able.size(); ++i) {
        threads.emplace_back([&, i] { serve(able[i], queue, task); });
      }
    }
  }
  if (queue.error) std::rethrow_exception(queue.error);
  if (queue.stopped || !queue.has_part()) return;
  const auto first =
      std::find_if(failure_.begin(), failure_.end(), [](const auto& failure) { return failure != nullptr; });
  const bool alike = std::all_of(failure_text_.begin(), failure_text_.end(),
                                 [&](const std::string& text) { return text == failure_text_.front(); });
  if (alike) std::rethrow_exception(*first);
  std::string text = "every CUDA device failed:";
  for (std::size_t i = 0; i < members_.size(); ++i) {
    text += (i == 0 ? " device " : "; device ") + std::to_string(members_[i].number) + ": " + failure_text_[i];
  }
  throw DeviceError(text);
}

}  // namespace krohn
