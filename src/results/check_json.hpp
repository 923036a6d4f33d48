// A check's JSON object, for results that hold one.
#pragma once

#include <cstdint>
#include <optional>

#include "krohn/results/check_report.hpp"
#include "result_json.hpp"

namespace krohn {

/// As check_report_json.
Json check_json(const CheckReport& report, const Alphabet& alphabet, std::optional<std::uint64_t> up_to,
                const std::optional<FailureReport>& failures = std::nullopt);

}  // namespace krohn
