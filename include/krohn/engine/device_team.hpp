// Work in parts, taken from one queue by workers, each on a CUDA device of its own (or some on one).
//
//     std::vector<std::unique_ptr<Tree>> trees(team.size());
//     team.work(trees, parts, [&](std::size_t) { return std::make_unique<Tree>(..); },
//               [&](Tree& tree, std::size_t part) { best.lower(tree.walk(part)); });
//
// What the parts are must not depend on the team, and what is made of their results not on their order: then the number
// of workers changes nothing but the time.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace krohn {

class DeviceTeam {
 public:
  struct Member {
    /// Of the device.
    int number = 0;
    std::string name;
  };
  /// Makes the calling thread use the member's device; throws where it cannot.
  using Bind = std::function<void(const Member&)>;

  /// One worker for each member; at least one. The devices are started at once, beside what the caller does next.
  DeviceTeam(std::vector<Member> members, Bind bind);

  /// Of the members, those that have failed included.
  std::size_t size() const noexcept { return members_.size(); }

  /// What runs: the devices' names, and behind them which of them have failed, and how.
  std::string description() const;
  /// Whether a description tells of a device that failed.
  static bool tells_of_failure(const std::string& description);

  /// Works the parts 0 .. parts - 1, each to its end once, handed out in ascending order; a member's calls are made one
  /// after the other on a thread on its device. Before its first part a member whose `workers` entry is null makes it
  /// with open(member). `stopped`, asked before each part, ends the work early.
  ///
  /// A member for which DeviceError or ResourceError is thrown (its device fails, or is full) has its worker deleted
  /// and takes no more parts, in this call and all later ones; the part goes to another member, from its beginning.
  /// Where no member is left, the error is thrown: the only one, or a DeviceError that tells of all. Any other
  /// exception ends the work, and that of the lowest part is rethrown.
  template <class Worker, class Open, class Work>
  void work(std::vector<std::unique_ptr<Worker>>& workers, std::size_t parts, const Open& open, const Work& work,
            const std::function<bool()>& stopped = {}) {
    Task task;
    task.work = [&](std::size_t member, std::size_t part) {
      if (!workers[member]) workers[member] = open(member);
      work(*workers[member], part);
    };
    task.close = [&](std::size_t member) { workers[member].reset(); };
    task.stopped = stopped;
    run(parts, task);
  }

  /// For tests: called by every member of every team before each of its parts; what it throws, the part throws. Empty
  /// for none. Not to be set while a team works.
  static void set_probe(std::function<void(std::size_t member, std::size_t part)> probe);

 private:
  struct Task {
    std::function<void(std::size_t member, std::size_t part)> work;
    std::function<void(std::size_t member)> close;
    std::function<bool()> stopped;
  };
  struct Queue;

  void run(std::size_t parts, const Task& task);
  void serve(std::size_t member, Queue& queue, const Task& task);

  std::vector<Member> members_;
  Bind bind_;
  mutable std::mutex mutex_;
  /// Per member: what it failed with, or null; and in words.
  std::vector<std::exception_ptr> failure_;
  std::vector<std::string> failure_text_;
  /// Start the devices.
  std::vector<std::jthread> starts_;
};

/// A worker that keeps nothing between its parts.
struct Stateless {};
inline std::unique_ptr<Stateless> make_stateless(std::size_t /*member*/) { return std::make_unique<Stateless>(); }

}  // namespace krohn
