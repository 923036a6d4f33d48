// Times libsemigroups on the families of tools/bench/monoid_bench.cpp: `libsemigroups WORK` prints one line
// "WORK  seconds  peak megabytes  result". One work a process, so that the peak memory is that of the work.
#include <sys/resource.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <libsemigroups/detail/report.hpp>
#include <libsemigroups/froidure-pin.hpp>
#include <libsemigroups/hpcombi.hpp>
#include <libsemigroups/konieczny.hpp>
#include <libsemigroups/schreier-sims.hpp>
#include <libsemigroups/transf.hpp>
#include <numeric>
#include <string>
#include <vector>

namespace {

using Images = std::vector<std::uint8_t>;

Images cycle(std::size_t n) {
  Images f(n);
  for (std::size_t q = 0; q < n; ++q) f[q] = static_cast<std::uint8_t>((q + 1) % n);
  return f;
}

Images swap_two(std::size_t n) {
  Images f(n);
  std::iota(f.begin(), f.end(), std::uint8_t{0});
  std::swap(f[0], f[1]);
  return f;
}

Images merge_two(std::size_t n) {
  Images f(n);
  std::iota(f.begin(), f.end(), std::uint8_t{0});
  f[1] = 0;
  return f;
}

// HPCombi's transformations have 16 points; those from n on are fixed.
Images padded(Images f) {
  for (std::size_t q = f.size(); q < 16; ++q) f.push_back(static_cast<std::uint8_t>(q));
  return f;
}

HPCombi::Transf16 packed(const Images& f) {
  const Images images = padded(f);
  HPCombi::epu8 x{};
  for (std::size_t q = 0; q < 16; ++q) x[q] = images[q];
  return HPCombi::Transf16(x);
}

template <typename Element, typename Make>
std::size_t enumerate(std::size_t n, bool full, const Make& make) {
  libsemigroups::FroidurePin<Element> monoid;
  monoid.add_generator(make(cycle(n)));
  monoid.add_generator(make(swap_two(n)));
  if (full) monoid.add_generator(make(merge_two(n)));
  monoid.run();
  return monoid.size();
}

template <std::size_t N>
std::size_t order_chain() {
  using Perm = libsemigroups::LeastPerm<N>;
  const auto make = [](const Images& f) {
    Perm p = Perm::one(N);
    for (std::size_t q = 0; q < N; ++q) p[q] = f[q];
    return p;
  };
  libsemigroups::SchreierSims<N> group;
  group.add_generator(make(cycle(N)));
  group.add_generator(make(swap_two(N)));
  group.run();
  return group.number_of_strong_generators(0);
}

std::size_t work(const std::string& kind, std::size_t n) {
  if (kind == "S" || kind == "T") return enumerate<HPCombi::Transf16>(n, kind == "T", packed);
  if (kind == "generic-S" || kind == "generic-T") {
    using Transf = libsemigroups::Transf<0, std::uint8_t>;
    return enumerate<Transf>(n, kind == "generic-T", [](const Images& f) { return Transf(f); });
  }
  if (kind == "D") {
    libsemigroups::Konieczny<HPCombi::Transf16> monoid;
    monoid.add_generator(packed(cycle(n)));
    monoid.add_generator(packed(swap_two(n)));
    monoid.add_generator(packed(merge_two(n)));
    monoid.run();
    return monoid.number_of_D_classes();
  }
  if (n == 20) return order_chain<20>();
  if (n == 30) return order_chain<30>();
  return order_chain<50>();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  const std::size_t colon = name.find(':');
  if (colon == std::string::npos) {
    std::fprintf(stderr, "usage: libsemigroups S:9 | T:7 | generic-S:9 | generic-T:7 | D:8 | order:20\n");
    return 2;
  }
  const auto quiet = libsemigroups::ReportGuard(false);
  const auto begin = std::clock();
  const std::size_t result = work(name.substr(0, colon), std::stoul(name.substr(colon + 1)));
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("libsemigroups %-14s %10.4f s %6ld MB  %zu\n", name.c_str(), seconds, usage.ru_maxrss / 1024, result);
}
