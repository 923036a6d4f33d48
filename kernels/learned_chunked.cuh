// A recurrence of a learned model in its chunked form, from features to features.
#pragma once

#include "krohn/kernels/chunked.hpp"
#include "krohn/kernels/learned_elements.hpp"

namespace krohn {

/// Reads and writes the features of a batch whose words have x.longest tokens each, one after the other, from states of
/// zero. The recurrence is one that chunked.hpp's rules do (krohn/engine/chunked_form.hpp decides). Launches on the
/// default stream.
void run_recurrence_chunked(const LearnedRecurrence& recurrence, const LearnedRows& x, ChunkedFormat format);

}  // namespace krohn
