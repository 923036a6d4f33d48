// label: quick
// A team's workers do every part once, whatever fails on the way; the members here are threads without a device.
#include "krohn/engine/device_team.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "krohn/engine/device.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

std::vector<DeviceTeam::Member> members(std::size_t count) {
  std::vector<DeviceTeam::Member> list;
  for (std::size_t i = 0; i < count; ++i) list.push_back({static_cast<int>(i), "card"});
  return list;
}
void no_device(const DeviceTeam::Member&) {}

// How often each part came to its end, and on which worker it did.
struct Log {
  explicit Log(std::size_t parts) : ends(parts), by(parts) {}
  void end(std::size_t part, std::size_t member) {
    ++ends[part];
    by[part] = member;
  }
  bool each_once() const {
    return std::all_of(ends.begin(), ends.end(), [](const std::atomic<int>& n) { return n == 1; });
  }
  std::vector<std::atomic<int>> ends;
  std::vector<std::atomic<std::size_t>> by;
};

struct Worker {
  std::size_t member = 0;
  std::size_t done = 0;
  std::thread::id thread;
};
std::unique_ptr<Worker> open_worker(std::size_t member) {
  return std::make_unique<Worker>(Worker{member, 0, std::this_thread::get_id()});
}

TEST_CASE("every part is worked once, by any number of workers, each on one thread") {
  for (std::size_t count = 1; count <= 5; ++count) {
    for (const std::size_t parts : {0U, 1U, 2U, 37U}) {
      DeviceTeam team(members(count), no_device);
      std::vector<std::unique_ptr<Worker>> workers(count);
      Log log(parts);
      std::atomic<bool> one_thread{true};
      team.work(workers, parts, open_worker, [&](Worker& worker, std::size_t part) {
        if (worker.thread != std::this_thread::get_id()) one_thread = false;
        log.end(part, worker.member);
      });
      CHECK(log.each_once());
      CHECK(one_thread);
      CHECK(team.description() == (count == 1 ? "card" : std::to_string(count) + " x card"));
      CHECK(!DeviceTeam::tells_of_failure(team.description()));
    }
  }
}

TEST_CASE("a worker that fails in the middle leaves its part to the others, and is not asked again") {
  for (std::size_t count = 2; count <= 4; ++count) {
    for (std::size_t failing = 0; failing < count; ++failing) {
      for (const bool full : {false, true}) {
        DeviceTeam team(members(count), no_device);
        std::vector<std::unique_ptr<Worker>> workers(count);
        constexpr std::size_t parts = 40;
        Log log(parts);
        std::atomic<int> failures{0};
        // The others wait for the failing member to have its second part, which it holds until all others are done:
        // nobody may leave before that one is.
        std::atomic<std::size_t> ended{0};
        std::atomic<bool> held{false};
        team.work(workers, parts, open_worker, [&](Worker& worker, std::size_t part) {
          ++worker.done;
          if (worker.member == failing && worker.done == 2) {
            held = true;
            while (ended < parts - 1) std::this_thread::yield();
            ++failures;
            if (full) throw ResourceError("the memory is full");
            throw DeviceError("the device is gone");
          }
          while (worker.member != failing && worker.done == 2 && !held) std::this_thread::yield();
          log.end(part, worker.member);
          ++ended;
        });
        CHECK(log.each_once());
        CHECK(failures == 1);
        CHECK(workers[failing] == nullptr);
        CHECK(team.description() == std::to_string(count) + " x card; device " + std::to_string(failing) +
                                        " failed and others did its part of the work: " +
                                        (full ? "the memory is full" : "the device is gone"));
        CHECK(DeviceTeam::tells_of_failure(team.description()));
        // The next call does without it.
        Log again(parts);
        team.work(workers, parts, open_worker,
                  [&](Worker& worker, std::size_t part) { again.end(part, worker.member); });
        CHECK(again.each_once());
        CHECK(std::none_of(again.by.begin(), again.by.end(), [&](const auto& member) { return member == failing; }));
      }
    }
  }
}

TEST_CASE("members that cannot start are done without, also where they alone had a part") {
  std::atomic<int> bound{0};
  DeviceTeam team(members(3), [&](const DeviceTeam::Member& member) {
    ++bound;
    if (member.number != 2) throw DeviceError("device " + std::to_string(member.number) + " does not start");
  });
  std::vector<std::unique_ptr<Worker>> workers(3);
  Log log(1);
  team.work(workers, 1, open_worker, [&](Worker& worker, std::size_t part) { log.end(part, worker.member); });
  CHECK(log.each_once());
  CHECK(log.by[0] == 2);
  CHECK(bound >= 2);
}

TEST_CASE("where every member fails the error tells of each; the only one's error is thrown as it was") {
  DeviceTeam team(members(2), no_device);
  std::vector<std::unique_ptr<Worker>> workers(2);
  CHECK_THROWS_WITH_AS(
      team.work(workers, 8, open_worker,
                [&](Worker& worker, std::size_t) { throw DeviceError("fault " + std::to_string(worker.member)); }),
      "every CUDA device failed: device 0: fault 0; device 1: fault 1", DeviceError);
  // Nothing is left to ask.
  CHECK_THROWS_AS(team.work(workers, 1, open_worker, [](Worker&, std::size_t) {}), DeviceError);
  DeviceTeam one(members(1), no_device);
  std::vector<std::unique_ptr<Worker>> worker(1);
  CHECK_THROWS_WITH_AS(one.work(worker, 3, open_worker, [](Worker&, std::size_t) { throw ResourceError("too small"); }),
                       "too small", ResourceError);
}

TEST_CASE("an error that is not the device's ends the work: that of the lowest part, for any number of workers") {
  for (std::size_t count = 1; count <= 4; ++count) {
    for (int repetition = 0; repetition < 20; ++repetition) {
      DeviceTeam team(members(count), no_device);
      std::vector<std::unique_ptr<Worker>> workers(count);
      CHECK_THROWS_WITH_AS(team.work(workers, 30, open_worker,
                                     [&](Worker&, std::size_t part) {
                                       if (part % 7 == 5) throw NumericError("part " + std::to_string(part));
                                     }),
                           "part 5", NumericError);
      CHECK(!DeviceTeam::tells_of_failure(team.description()));
    }
  }
  // A part given back is below an error, and is worked first.
  DeviceTeam team(members(2), no_device);
  std::vector<std::unique_ptr<Worker>> workers(2);
  std::atomic<bool> erred{false};
  std::atomic<bool> first_done{false};
  CHECK_THROWS_WITH_AS(team.work(workers, 9, open_worker,
                                 [&](Worker&, std::size_t part) {
                                   if (part == 0 && !first_done.exchange(true)) {
                                     while (!erred) std::this_thread::yield();
                                     throw DeviceError("gone");
                                   }
                                   erred = true;
                                   throw InputError("part " + std::to_string(part));
                                 }),
                       "part 0", InputError);
}

TEST_CASE("stopped ends the work early, and asks before every part") {
  DeviceTeam team(members(2), no_device);
  std::vector<std::unique_ptr<Worker>> workers(2);
  std::atomic<std::size_t> ended{0};
  team.work(
      workers, 1000, open_worker, [&](Worker&, std::size_t) { ++ended; }, [&] { return ended >= 10; });
  CHECK(ended >= 10);
  CHECK(ended <= 12);
  team.work(
      workers, 5, open_worker, [&](Worker&, std::size_t) { ++ended; }, [] { return true; });
  CHECK(ended <= 12);
}

TEST_CASE("a probe stands before each part") {
  std::atomic<std::size_t> seen{0};
  DeviceTeam::set_probe([&](std::size_t member, std::size_t) {
    ++seen;
    if (member == 1) throw DeviceError("planted");
  });
  DeviceTeam team({{0, "a"}, {0, "a"}, {3, "b"}}, no_device);
  std::vector<std::unique_ptr<Worker>> workers(3);
  Log log(50);
  team.work(workers, 50, open_worker, [&](Worker& worker, std::size_t part) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    log.end(part, worker.member);
  });
  DeviceTeam::set_probe({});
  CHECK(log.each_once());
  CHECK(seen >= 50);
  CHECK(team.description().starts_with("a, b (3 workers)"));
}

TEST_CASE("devices by name") {
  CHECK(parse_device("auto") == Device::automatic);
  CHECK(parse_device("cpu") == Device::cpu);
  CHECK(parse_device("cuda") == Device::cuda);
  CHECK(!Device::cuda.names());
  const std::optional<Device> two = parse_device("cuda:0,3,0");
  REQUIRE(two.has_value());
  CHECK(two->is_cuda());
  CHECK(two->names());
  CHECK(two->workers[0] == 2);
  CHECK(two->workers[3] == 1);
  CHECK(std::accumulate(two->workers.begin(), two->workers.end(), 0) == 3);
  CHECK(parse_device("cuda:3,0,0") == two);
  for (const char* text : {"", "gpu", "cuda:", "cuda:,", "cuda:0,", "cuda:,0", "cuda:-1", "cuda:+1", "cuda:64",
                           "cuda:0 1", "cuda:0;1", "cuda:0x1", "CUDA"}) {
    CHECK_MESSAGE(!parse_device(text), text);
  }
  CHECK_NOTHROW(require_device(Device::cpu));
  CHECK_NOTHROW(require_device(Device::automatic));
  // Devices that no machine has: an error, not the CPU.
  CHECK_THROWS_AS(require_device(*parse_device("cuda:63")), DeviceError);
}

}  // namespace
}  // namespace krohn
