// Tested by tests/verify/harden_test.cpp.
#include "krohn/engine/learned/snapping_run.hpp"

#include "krohn/engine/interpreter.hpp"
#include "learned_pass.hpp"

namespace krohn {
namespace {

class Recorder final : public forward::Probe<float> {
 public:
  Recorder(const Program& program, std::vector<Snap>& snaps, bool with_units)
      : program_(program), snaps_(snaps), with_units_(with_units) {}
  void recurrence(std::size_t, std::size_t, std::size_t, std::size_t, const forward::Decay<float>&,
                  std::span<const forward::Update<float>>) override {}
  void snapped(std::size_t part, std::size_t unit, const float* state, std::size_t code, float nearest,
               float second) override {
    Snap& snap = snaps_.emplace_back(Snap{part, unit, code, nearest, second, {}});
    if (with_units_) snap.before.assign(state, state + program_.state_parts()[part].unit_size());
  }

 private:
  const Program& program_;
  std::vector<Snap>& snaps_;
  bool with_units_;
};

}  // namespace

SnappingRun::SnappingRun(const Program& program) : program_(&program), pass_(make_pass<float>(program)) {}
SnappingRun::~SnappingRun() = default;
SnappingRun::SnappingRun(SnappingRun&&) noexcept = default;

void SnappingRun::set_codes(std::size_t part, std::size_t unit, std::span<const float> codes) {
  pass_->set_codes(part, unit, codes);
}

void SnappingRun::initial(std::span<float> state) const { pass_->initial(state.data()); }

void SnappingRun::step(std::span<float> state, std::uint32_t token, std::span<float> logits, std::vector<Snap>* snaps,
                       bool with_units) {
  if (snaps == nullptr) return pass_->step(state.data(), &token, logits.data());
  snaps->clear();
  Recorder recorder(*program_, *snaps, with_units);
  pass_->step(state.data(), token, logits.data(), recorder);
}

}  // namespace krohn
